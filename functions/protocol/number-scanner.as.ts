// AssemblyScript, not TypeScript: what number-scanner-module.ts holds, compiled. A test compiles it again and compares; after
// a change, `node node24.mjs node_modules/vitest/vitest.mjs run test/protocol/number-scanner.test.ts -u` writes the module
// anew; the run after that one tests it.

/** Where a call leaves the position after the last number that it read. */
const POSITION: usize = 0;

/** The kinds of results. */
const FLOAT32: i32 = 0;
const FLOAT64: i32 = 1;
const INT64: i32 = 2;
// 3: UINT64

/** A longer token is for the other reader, which refuses the longest. */
const MAX_TOKEN: usize = 900;

/** The largest power of ten below which 128-bit arithmetic is not needed: 2.5 * 5^26 is less than 2^62. */
const MAX_POWER: i32 = 26;
/** Up to this one a double holds a power of ten exactly. */
const MAX_EXACT_POWER: i32 = 22;

const POWERS_OF_TEN = memory.data<f64>([
  1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
  1e21, 1e22, 1e23, 1e24, 1e25, 1e26,
]);

const POWERS_OF_FIVE = memory.data<u64>([
  1, 5, 25, 125, 625, 3125, 15625, 78125, 390625, 1953125, 9765625, 48828125, 244140625, 1220703125, 6103515625,
  30517578125, 152587890625, 762939453125, 3814697265625, 19073486328125, 95367431640625, 476837158203125,
  2384185791015625, 11920928955078125, 59604644775390625, 298023223876953125, 1490116119384765625,
]);

const ONE: u64 = 1 << 52;

/** Set by `divide` and `scale` where they can't be sure of the last bit. */
let unsure = false;

function isDigit(byte: u32): bool {
  return byte - 0x30 < 10;
}

function isSpace(byte: u32): bool {
  return byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09;
}

/**
 * Reads JSON numbers with commas between them from the text that begins at `pos`, and writes at most `count` results to
 * `out`. It stops before whatever is not surely a number that it reads exactly: another reader looks at that.
 * A number counts only with what ends it, so the text must end with a byte that no number has, like NUL, and seven more.
 *
 * @returns how many it read
 */
export function scan(pos: usize, out: usize, count: i32, kind: i32): i32 {
  let read = 0;
  store<u32>(POSITION, <u32>pos);
  while (read < count) {
    let byte: u32 = load<u8>(pos);
    while (isSpace(byte)) byte = load<u8>(++pos);
    const negative = byte == 0x2d;
    if (negative) byte = load<u8>(++pos);
    if (!isDigit(byte)) break;

    let digits: u64 = 0;
    let exponent: i32 = 0;
    let truncated = false;
    const first = pos;
    do {
      digits = digits * 10 + (byte - 0x30);
      byte = load<u8>(++pos);
    } while (isDigit(byte));
    const wholeDigits = pos - first;
    if (wholeDigits > 1 && (wholeDigits > 19 || load<u8>(first) == 0x30)) break;
    const isInteger = byte != 0x2e && (byte | 0x20) != 0x65;

    if (byte == 0x2e) {
      const point = ++pos;
      while (digits < 100_000_000_000) {
        const eight = load<u64>(pos);
        if (!areDigits(eight)) break;
        digits = digits * 100_000_000 + valueOf(eight);
        pos += 8;
      }
      byte = load<u8>(pos);
      while (isDigit(byte) && digits < 1_000_000_000_000_000_000) {
        digits = digits * 10 + (byte - 0x30);
        byte = load<u8>(++pos);
      }
      exponent = <i32>(point - pos);
      if (exponent == 0) break;
      for (; isDigit(byte); byte = load<u8>(++pos)) truncated = true;
    }
    if ((byte | 0x20) == 0x65) {
      byte = load<u8>(++pos);
      const down = byte == 0x2d;
      if (down || byte == 0x2b) byte = load<u8>(++pos);
      const start = pos;
      let written: i32 = 0;
      for (; isDigit(byte) && pos - start < 5; byte = load<u8>(++pos)) written = written * 10 + <i32>(byte - 0x30);
      if (pos == start) break;
      exponent += down ? -written : written;
    }
    if ((byte != 0x2c && byte != 0x5d && !isSpace(byte)) || pos - first > MAX_TOKEN) break;

    if (kind >= INT64) {
      const fits = kind == INT64 ? digits >> 63 == 0 : !negative || digits == 0;
      if (!isInteger || !fits) break;
      store<u64>(out + (<usize>read << 3), negative ? 0 - digits : digits);
    } else {
      unsure = false;
      let value: f64 = exponent < 0 ? divide(digits, -exponent, truncated) : scale(digits, exponent, truncated);
      if (unsure) break;
      if (negative) value = -value;
      if (kind == FLOAT32) store<f32>(out + (<usize>read << 2), <f32>value);
      else store<f64>(out + (<usize>read << 3), value);
    }
    read++;
    store<u32>(POSITION, <u32>pos);

    while (isSpace(byte)) byte = load<u8>(++pos);
    if (byte != 0x2c) break;
    pos++;
  }
  return read;
}

/** Whether eight bytes are all digits. */
function areDigits(eight: u64): bool {
  const high: u64 = 0xf0f0f0f0f0f0f0f0;
  return ((eight & high) | (((eight + 0x0606060606060606) & high) >> 4)) == 0x3333333333333333;
}

/** The number that eight digits write: pairs, then fours, then all, each in one multiplication. */
function valueOf(eight: u64): u64 {
  const values = eight - 0x3030303030303030;
  const pairs = values * 10 + (values >> 8);
  const mask: u64 = 0x000000ff000000ff;
  return ((pairs & mask) * 0x000f424000000064 + ((pairs >> 16) & mask) * 0x0000271000000001) >> 32;
}

/** digits * 10^power, as the nearest double. */
function scale(digits: u64, power: i32, truncated: bool): f64 {
  // One rounding: both factors are exact (Clinger, "How to read floating point numbers accurately", 1990).
  if (power == 0 || digits == 0) {
    if (truncated) unsure = true;
    return <f64>digits;
  }
  if (truncated || digits > ONE << 1 || power > MAX_EXACT_POWER) {
    unsure = true;
    return 0;
  }
  return <f64>digits * load<f64>(POWERS_OF_TEN + (<usize>power << 3));
}

/**
 * digits / 10^power, as the nearest double.
 *
 * More digits than a double holds: the quotient of their doubles m * 2^t is at most some units of its last place away. How
 * far, `digits` - m * 2^t * 10^power tells, which is exact in 64 bits that wrap, after a shift that makes it an integer:
 * it is small, whatever the two terms are.
 */
function divide(digits: u64, power: i32, truncated: bool): f64 {
  if (digits == 0 && !truncated) return 0;
  if (power > MAX_POWER || digits == 0) {
    unsure = true;
    return 0;
  }
  const near = <f64>digits / load<f64>(POWERS_OF_TEN + (<usize>power << 3));
  if (digits <= ONE << 1 && power <= MAX_EXACT_POWER && !truncated) return near;

  let bits = reinterpret<u64>(near);
  const mantissa = (bits & (ONE - 1)) | ONE;
  const shift = 1075 - <i32>(bits >> 52) - power;
  const left = <u64>max(shift, 0);
  const unit = <i64>(load<u64>(POWERS_OF_FIVE + (<usize>power << 3)) << <u64>max(-shift, 0));
  const dividend = left < 64 ? digits << left : 0;
  let twice = <i64>(dividend - mantissa * <u64>unit) << 1;
  if (twice > unit) {
    bits++;
    twice -= unit << 1;
  } else if (twice < -unit) {
    bits--;
    twice += unit << 1;
  }
  // Below a power of two the doubles lie twice as close. Of digits that were cut off, the rest is less than one.
  const isTie = twice == unit || twice == -unit;
  const rest: i64 = truncated ? <i64>2 << left : 0;
  if (
    twice > unit ||
    twice < -unit ||
    (twice < 0 && (bits & (ONE - 1)) == 0) ||
    (truncated && (left > 60 || isTie || twice + rest >= unit))
  ) {
    unsure = true;
    return 0;
  }
  if (isTie && (bits & 1) == 1) bits += twice > 0 ? 1 : -1;
  return reinterpret<f64>(bits);
}
