// AssemblyScript, not TypeScript: what number-scanner-module.ts holds, compiled. A test compiles it again and compares; after
// a change, `node node24.mjs node_modules/vitest/vitest.mjs run test/protocol/number-scanner.test.ts -u` writes the module
// anew; the run after that one tests it.

/** Where a call leaves the position after the last number that it read. */
const POSITION: usize = 0;
/** Of each level of arrays around the rows, from the inside: how many of its items are left, and how many it has. */
const LEVELS: usize = 512;
/** The powers of ten from SMALLEST_POWER to LARGEST_POWER, see power-table.ts. */
const POWERS: usize = 1024;
const SMALLEST_POWER: i32 = -342;
const LARGEST_POWER: i32 = 308;
/** The powers of ten from 0 to LARGEST_DIVISOR as doubles, of which those up to LARGEST_EXACT are exact. */
const DIVISORS: usize = 11 * 1024 + 256;
const LARGEST_DIVISOR: i32 = 44;
const LARGEST_EXACT: i32 = 22;

/** The kinds of results. From INT64 on they are integers, signed and unsigned in turns, of 64, 32, 16 and 8 bits. */
const FLOAT32: i32 = 0;
const FLOAT64: i32 = 1;
const INT64: i32 = 2;

/** A longer token is for the other reader, which refuses the longest. */
const MAX_TOKEN: usize = 900;

const ONE: u64 = 1 << 52;

/** Set by `nearest` where it can't be sure of the last bit. */
let unsure = false;

function isDigit(byte: u32): bool {
  return byte - 0x30 < 10;
}

function isSpace(byte: u32): bool {
  return byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09;
}

/**
 * Reads JSON numbers with commas between them from the text that begins at `pos`, and writes at most `count` results to
 * `out`. After the `left` numbers of a row it goes on in the next row, of `width` numbers, over the brackets of as many
 * `levels` as a row has around it, but the outermost's. It stops before whatever is not surely a number that it reads
 * exactly, and after a number where the brackets are not those of the shape: another reader looks at that.
 * A number counts only with what ends it, so the text must end with a byte that no number has, like NUL, and seven more.
 *
 * @returns how many it read
 */
export function scan(pos: usize, out: usize, count: i32, kind: i32, left: i32, width: i32, levels: i32): i32 {
  const log2 = 4 - (kind >> 1);
  const ones: u64 = u64.MAX_VALUE >> <u64>(64 - (8 << log2));
  const most = (kind & 1) == 0 ? ones >> 1 : ones;
  const mostBelow = (kind & 1) == 0 ? most + 1 : 0;
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
    let isInteger = true;

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
      isInteger = false;
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
      isInteger = false;
    }
    if ((byte != 0x2c && byte != 0x5d && !isSpace(byte)) || pos - first > MAX_TOKEN) break;

    if (kind >= INT64) {
      if (!isInteger) {
        // Other writers of JSON have no integers. A double holds those of 64 bits but in part.
        unsure = false;
        const value = nearest(digits, exponent, truncated);
        if (kind < 4 || unsure || value > 4_294_967_295 || trunc(value) != value) break;
        digits = <u64>value;
      }
      if (digits > (negative ? mostBelow : most)) break;
      const bits = negative ? 0 - digits : digits;
      const at = out + (<usize>read << log2);
      if (log2 == 3) store<u64>(at, bits);
      else if (log2 == 2) store<u32>(at, <u32>bits);
      else if (log2 == 1) store<u16>(at, <u16>bits);
      else store<u8>(at, <u8>bits);
    } else {
      unsure = false;
      if (kind == FLOAT32) {
        const value = nearestSingle(digits, exponent, truncated);
        if (unsure || value == f32.MAX_VALUE + f32.MAX_VALUE) break;
        store<f32>(out + (<usize>read << 2), negative ? -value : value);
      } else {
        const value = nearest(digits, exponent, truncated);
        if (unsure) break;
        store<f64>(out + (<usize>read << 3), negative ? -value : value);
      }
    }
    read++;
    store<u32>(POSITION, <u32>pos);

    while (isSpace(byte)) byte = load<u8>(++pos);
    if (--left > 0) {
      if (byte != 0x2c) break;
      pos++;
      continue;
    }
    pos = nextRow(pos, levels);
    if (pos == 0) break;
    left = width;
  }
  return read;
}

/** The position after the brackets between two rows, or 0 where others stand there. */
function nextRow(pos: usize, levels: i32): usize {
  let level: i32 = 0;
  for (; ; level++) {
    if (level == levels) return 0;
    if (load<u8>(pos) != 0x5d) return 0;
    pos = skipSpace(pos + 1);
    const items = LEVELS + (<usize>level << 3);
    const left = load<u32>(items) - 1;
    store<u32>(items, left == 0 ? load<u32>(items, 4) : left);
    if (left != 0) break;
  }
  if (load<u8>(pos) != 0x2c) return 0;
  pos++;
  for (; level >= 0; level--) {
    pos = skipSpace(pos);
    if (load<u8>(pos) != 0x5b) return 0;
    pos++;
  }
  return pos;
}

function skipSpace(pos: usize): usize {
  while (isSpace(load<u8>(pos))) pos++;
  return pos;
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

function divisor(power: i32): f64 {
  return load<f64>(DIVISORS + (<usize>-power << 3));
}

/**
 * The float nearest to the double nearest to digits * 10^power.
 *
 * After three roundings, or what was cut off, a quotient of doubles is at most four of their last places away from that
 * double. That is the same float, where no middle between two floats is as near.
 */
function nearestSingle(digits: u64, power: i32, truncated: bool): f32 {
  if (power < 0 && power >= -LARGEST_DIVISOR) {
    const near = <f64>digits / divisor(power);
    const fromMiddle = (reinterpret<u64>(near) & 0x1fffffff) - (0x10000000 - 8);
    if (fromMiddle > 16 && near > 1e-37 && near < 1e38) return <f32>near;
  }
  return <f32>nearest(digits, power, truncated);
}

/** The upper half of a product of 128 bits. */
function upperHalf(a: u64, b: u64): u64 {
  const mask: u64 = 0xffffffff;
  const low = (a & mask) * (b & mask);
  const middle = (a >> 32) * (b & mask) + (low >> 32);
  return (a >> 32) * (b >> 32) + (middle >> 32) + (((a & mask) * (b >> 32) + (middle & mask)) >> 32);
}

/**
 * digits * 10^power as the nearest double, of two that are as near the even one.
 *
 * The product with the power's 128 bits is exact enough to round (Lemire, "Number parsing at a gigabyte per second", 2021;
 * Mushtak and Lemire, "Fast number parsing without fallback", 2023). Digits may have been cut off behind 18 others.
 */
function nearest(digits: u64, power: i32, truncated: bool): f64 {
  if (power == 0 && !truncated) return <f64>digits;
  if (digits == 0 && !truncated) return 0;
  if (power < SMALLEST_POWER || power > LARGEST_POWER || digits == 0) {
    unsure = true;
    return 0;
  }
  // Both are exact, so that one rounding is left (Clinger, "How to read floating point numbers accurately", 1990).
  if (digits <= ONE << 1 && power < 0 && power >= -LARGEST_EXACT && !truncated) return <f64>digits / divisor(power);
  const zeros = clz(digits);
  const shifted = digits << zeros;
  const entry = POWERS + (<usize>(power - SMALLEST_POWER) << 4);
  const factor = load<u64>(entry);
  let lower = shifted * factor;
  let upper = upperHalf(shifted, factor);
  if ((upper & 0x1ff) == 0x1ff) {
    const more = upperHalf(shifted, load<u64>(entry, 8));
    lower += more;
    if (lower < more) upper++;
  }
  const top = upper >> 63;
  const drop = top + 9;
  // One bit more than a double has.
  let bits = upper >> drop;
  const exponent = ((217706 * power) >> 16) + 1086 + <i32>top - <i32>zeros;
  if (exponent <= 0 || exponent >= 2046 || (truncated && mayRoundUp(upper, (<u64>1 << zeros) + 1, drop))) {
    unsure = true;
    return 0;
  }
  // In the middle between two: only small powers of five have products that end there.
  if (lower <= 1 && (bits & 3) == 1 && power >= -4 && power <= 23 && bits << drop == upper) bits--;
  // A carry out of the 53 bits makes the exponent one more by itself.
  return reinterpret<f64>((<u64>(exponent - 1) << 52) + ((bits + 1) >> 1));
}

/** Whether digits that were cut off, which make the product up to `more` larger, might lead over a middle, or on to one. */
function mayRoundUp(upper: u64, more: u64, drop: u64): bool {
  const last = ((upper >> drop) + 1) >> 1;
  const middle = (last << 1) - 1;
  return (((upper + more) >> drop) + 1) >> 1 != last || middle << drop == upper;
}
