/** The powers of ten by which a number with 19 digits can be multiplied without being nothing or too much for a double. */
const SMALLEST_POWER = -342;
const LARGEST_POWER = 308;

/** Bytes of the table. */
export const POWER_TABLE_BYTES = (LARGEST_POWER - SMALLEST_POWER + 1) * 16;

/**
 * Writes the powers of ten, without their powers of two, as Lemire's algorithm wants them: 128 bits of which the first is
 * set, cut off for positive powers and rounded up for negative ones; of each the upper 64 bits, then the lower.
 * @param words of POWER_TABLE_BYTES
 */
export function writePowerTable(words: BigUint64Array): void {
  let power = 1n;
  // Bits of `power`, which is odd and so never a power of two, but for the first.
  let length = 1;
  const put = (exponent: number, bits: bigint): void => {
    const at = (exponent - SMALLEST_POWER) * 2;
    words[at] = bits >> 64n;
    words[at + 1] = BigInt.asUintN(64, bits);
  };
  for (let exponent = 0; exponent <= -SMALLEST_POWER; exponent++) {
    if (exponent > 0) {
      power *= 5n;
      length += 2;
      if (power >> BigInt(length) > 0n) length++;
    }
    const shift = BigInt(length - 128);
    if (exponent <= LARGEST_POWER) put(exponent, shift > 0n ? power >> shift : power << -shift);
    if (exponent > 0) put(-exponent, (1n << BigInt(length + 127)) / power + 1n);
  }
}
