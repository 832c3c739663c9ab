import { DATATYPES, type Datatype, type NumericArray } from './datatypes.ts';
import { InvalidRequest } from './errors.ts';
import { isDigit, numberAt, readDouble } from './json-number.ts';
import type { JsonReader } from './json-reader.ts';
import type { JsonWriter } from './json-writer.ts';
import { quote } from './names.ts';
import { numberScanner } from './number-scanner.ts';
import { elementCount, type Tensor } from './tensor.ts';

/**
 * Reads the `data` of a JSON tensor, flat or nested like its shape, straight from the request's bytes into the array of
 * its datatype: no array of numbers in between, 64-bit integers exact, `NaN`, `Infinity` and `-Infinity` as bare tokens
 * in floating-point tensors (as Triton and Python's `json` write them).
 *
 * @throws InvalidRequest for elements of the wrong JSON type or outside the datatype, and for a wrong number of them
 */
export function readJsonData(
  reader: JsonReader,
  name: string,
  datatype: Datatype,
  shape: readonly number[],
): Tensor['data'] {
  const count = elementCount(shape);
  // Each element takes at least two bytes of text: a shape that promises more is refused before memory is spent on it.
  if (count > (reader.bytes.length - reader.pos) / 2 + 1) {
    throw new InvalidRequest(`input ${quote(name)} has fewer elements in 'data' than its shape [${shape}] says`);
  }
  const { array: TypedArray } = DATATYPES[datatype];
  if (TypedArray === undefined) {
    const strings: string[] = [];
    readArrays(reader, name, shape, count, () => {
      strings.push(reader.string(`an element of ${quote(name)}`));
      return 1;
    });
    return strings;
  }
  const data = new TypedArray(count);
  const read = elementReader(reader, name, datatype, data);
  const scan = numberScanner(reader, datatype, shape, data);
  readArrays(reader, name, shape, count, (index, limit, inRow) => {
    const run = scan?.(index, Math.min(limit, count - index), inRow) ?? 0;
    if (run > 0) return run;
    read(index);
    return 1;
  });
  return data;
}

/**
 * Walks flat or nested arrays, holds them against the shape, and calls `readRun` where elements come: it consumes one or
 * more of them from `index` on, up to a limit, and returns how many. `inRow`: it may go on in the innermost arrays that
 * follow, as far as their brackets are those of the shape.
 */
function readArrays(
  reader: JsonReader,
  name: string,
  shape: readonly number[],
  count: number,
  readRun: (index: number, limit: number, inRow: boolean) => number,
): void {
  const what = `'data' of ${quote(name)}`;
  const last = shape.length - 1;
  /** Elements in an item of each level. */
  const sizes: number[] = [];
  for (let level = last, size = 1; level >= 0; size *= shape[level--] as number) sizes[level] = size;
  let index = 0;
  /** How many items the array at hand has after one has ended: up to here all elements are where they belong. */
  const itemsAt = (level: number): number => ((index / (sizes[level] as number) - 1) % (shape[level] as number)) + 1;
  const walk = (level: number, nested: boolean): void => {
    const expected = nested ? (shape[level] ?? 0) : count;
    let inner: boolean | undefined;
    const inRow = nested && level === last;
    const got = reader.runs(what, (item) => {
      inner ??= reader.peek() === 0x5b && level < last;
      if (inner) {
        if (item === shape[level]) throw wrongCount(name, shape, `more than ${item} items at level ${level + 1}`);
        walk(level + 1, true);
        return count === 0 ? item + 1 : itemsAt(level);
      }
      if (item >= expected) throw wrongCount(name, shape, `more than ${expected} elements`);
      const run = readRun(index, inRow ? count - index : expected - item, inRow);
      index += run;
      return inRow ? itemsAt(level) : item + run;
    });
    // The outermost array is nested when its first item is an array, or when the shape itself has no first item.
    if (inner) {
      if (got !== shape[level]) throw wrongCount(name, shape, `${got} items at level ${level + 1}`);
    } else if (got !== expected || (nested && level < last && expected !== 0)) {
      throw wrongCount(name, shape, `${got} elements`);
    }
  };
  walk(0, false);
}

function wrongCount(name: string, shape: readonly number[], got: string): InvalidRequest {
  return new InvalidRequest(
    `input ${quote(name)} has ${got} in 'data'; its shape [${shape}] expects ${elementCount(shape)} elements, flat or nested`,
  );
}

function elementReader(
  reader: JsonReader,
  name: string,
  datatype: Datatype,
  data: NumericArray,
): (index: number) => void {
  const { kind, min, max } = DATATYPES[datatype];
  const refuse = (index: number, got: string): never => {
    const range = kind === 'bool' ? 'true or false' : `a ${datatype} ${kind === 'float' ? 'number' : 'integer'}`;
    throw new InvalidRequest(`element ${index} of input ${quote(name)} is ${got}; expected ${range}`);
  };
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    const signed = data instanceof BigInt64Array;
    // Halves of the element, so that no BigInt is made for a number.
    const words = new Uint32Array(data.buffer, data.byteOffset, data.length * 2);
    return (index) => {
      reader.peek();
      if (!readInteger64(reader, words, index * 2, signed)) refuse(index, tokenAt(reader));
    };
  }
  if (kind === 'bool') {
    return (index) => {
      const byte = reader.peek();
      if (byte !== 0x74 && byte !== 0x66) refuse(index, tokenAt(reader));
      data[index] = reader.boolean(name) ? 1 : 0;
    };
  }
  if (kind === 'int') {
    return (index) => {
      reader.peek();
      const start = reader.pos;
      const value = readDouble(reader);
      if (value === undefined || !Number.isInteger(value) || value < min || value > max) {
        reader.pos = start;
        refuse(index, tokenAt(reader));
      }
      data[index] = value as number;
    };
  }
  return (index) => {
    reader.peek();
    const start = reader.pos;
    const value = readDouble(reader) ?? readNonFinite(reader);
    if (value === undefined) refuse(index, tokenAt(reader));
    data[index] = value as number;
    if (!Number.isFinite(data[index]) && isDigit(reader.bytes[reader.pos - 1])) {
      // A finite number that only the datatype's range turned into infinity.
      reader.pos = start;
      refuse(index, tokenAt(reader));
    }
  };
}

/** What stands there, for an error message. */
function tokenAt(reader: JsonReader): string {
  const { bytes, pos } = reader;
  let end = pos;
  while (end < bytes.length && end - pos < 32 && !isDelimiter(bytes[end] as number)) end++;
  return quote(String.fromCharCode(...bytes.subarray(pos, Math.max(end, pos + 1))));
}

function isDelimiter(byte: number): boolean {
  return byte <= 0x20 || byte === 0x2c || byte === 0x5d || byte === 0x7d;
}

const NON_FINITE: readonly (readonly [string, number])[] = [
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
];

function readNonFinite(reader: JsonReader): number | undefined {
  for (const [word, value] of NON_FINITE) {
    let matched = 0;
    while (matched < word.length && reader.bytes[reader.pos + matched] === word.charCodeAt(matched)) matched++;
    if (matched === word.length) {
      reader.pos += matched;
      return value;
    }
  }
  return undefined;
}

/**
 * Writes the integer at the reader into two 32-bit words, low half first (typed arrays are little-endian on every
 * platform that Node runs on). False, with the reader unmoved, for anything that is not an integer of 64 bits.
 */
function readInteger64(reader: JsonReader, words: Uint32Array, at: number, signed: boolean): boolean {
  const { bytes } = reader;
  let pos = reader.pos;
  const negative = bytes[pos] === 0x2d;
  if (negative) pos++;
  const first = pos;
  let low = 0;
  let high = 0;
  let byte = bytes[pos];
  for (; byte !== undefined && byte >= 0x30 && byte <= 0x39; byte = bytes[++pos]) {
    low = low * 10 + (byte - 0x30);
    const carry = Math.floor(low / 0x1_0000_0000);
    low -= carry * 0x1_0000_0000;
    high = high * 10 + carry;
    if (high > 0xffff_ffff) return false;
  }
  if (pos === first || (bytes[first] === 0x30 && pos > first + 1)) return false;
  if (byte === 0x2e || byte === 0x65 || byte === 0x45) return readWrittenAsFloat(reader, words, at, signed);
  if (signed && (high > 0x8000_0000 || (high === 0x8000_0000 && (low !== 0 || !negative)))) return false;
  if (!signed && negative && (high !== 0 || low !== 0)) return false;
  if (negative) {
    // Two's complement: invert, add one.
    high = ~high >>> 0;
    low = (~low >>> 0) + 1;
    if (low > 0xffff_ffff) {
      low = 0;
      high = (high + 1) >>> 0;
    }
  }
  words[at] = low;
  words[at + 1] = high;
  reader.pos = pos;
  return true;
}

/** 64-bit integers written like `1.0` or `1e3`, which some JSON writers do: exact below 2^53, else refused. */
function readWrittenAsFloat(reader: JsonReader, words: Uint32Array, at: number, signed: boolean): boolean {
  const text = numberAt(reader.bytes, reader.pos);
  const value = Number(text);
  if (text === '' || !Number.isSafeInteger(value) || (!signed && value < 0)) return false;
  const integer = BigInt.asUintN(64, BigInt(value));
  words[at] = Number(integer & 0xffff_ffffn);
  words[at + 1] = Number(integer >> 32n);
  reader.pos += text.length;
  return true;
}

/** So many numbers become text at a time: few enough that no large string is made, enough that each costs little. */
const CHUNK = 1024;

/** Writes the `data` of a tensor, flat; non-finite floats as bare tokens. */
export function writeJsonData(writer: JsonWriter, { datatype, data }: Tensor): void {
  const { kind } = DATATYPES[datatype];
  if (kind === 'bytes') {
    writer.text(JSON.stringify(data));
    return;
  }
  writer.text('[');
  if (kind === 'int') writer.integers(data as Int32Array);
  else {
    for (let start = 0; start < data.length; start += CHUNK) {
      if (start > 0) writer.text(',');
      writer.text(textOf(kind, (data as Float32Array).subarray(start, start + CHUNK)));
    }
  }
  writer.text(']');
}

function textOf(kind: 'bool' | 'bigint' | 'float', chunk: Float32Array): string {
  if (kind === 'bool') return Array.from(chunk, (byte) => byte !== 0).join(',');
  if (kind === 'bigint' || !chunk.some(isMinusZero)) return chunk.join(',');
  return Array.from(chunk, (x) => (isMinusZero(x) ? '-0' : x)).join(',');
}

/** `join` would lose the sign. */
function isMinusZero(x: number): boolean {
  return x === 0 && Object.is(x, -0);
}
