import { DATATYPES, type Datatype, type NumericArray } from './datatypes.ts';
import type { JsonReader } from './json-reader.ts';
import { NUMBER_SCANNER } from './number-scanner-module.ts';

/** As much of it as is used here; neither TypeScript's `esnext` nor Node's types have it. */
declare const WebAssembly: {
  readonly Module: new (code: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (
    module: object,
  ) => { readonly exports: { readonly memory: { readonly buffer: ArrayBuffer }; readonly scan: Scan } };
};

/** Where things lie in the module's memory, which never grows. The module's own tables come before the text. */
const POSITION = 0;
const TEXT = 1024;
const TEXT_BYTES = 32 * 1024;
const RESULTS = 64 * 1024;
/** Bytes behind the text that end it. */
const END_BYTES = 8;
/** With less text left than this, a number may be cut off. */
const NEAR_THE_END = 64;
/** Fewer elements are read sooner than the text is copied. */
const MIN_ELEMENTS = 16;
/** From here on a typed array copies faster than a loop. */
const MIN_BLOCK = 64;

const KINDS = { FLOAT32: 0, FLOAT64: 1, INT64: 2, UINT64: 3 };

/** See number-scanner.as.ts. */
type Scan = (text: number, results: number, count: number, kind: number) => number;

type Module = {
  readonly scan: Scan;
  readonly bytes: Uint8Array;
  readonly position: Uint32Array;
  readonly doubles: Float64Array;
  /** The results as what is copied: a float is one word, a double or an integer of 64 bits is two. */
  readonly words: Uint32Array;
};

let instance: Module | null | undefined;

/** The module of this process; undefined where it can't be had, as in a Node that runs with `--jitless`. */
function getModule(): Module | undefined {
  if (instance === undefined) {
    try {
      instance = instantiate();
    } catch {
      instance = null;
    }
  }
  return instance ?? undefined;
}

function instantiate(): Module {
  const code = Uint8Array.from(atob(NUMBER_SCANNER), (character) => character.charCodeAt(0));
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(code));
  const { buffer } = exports.memory;
  return {
    scan: exports.scan,
    bytes: new Uint8Array(buffer),
    position: new Uint32Array(buffer, POSITION, 1),
    doubles: new Float64Array(buffer, RESULTS),
    words: new Uint32Array(buffer, RESULTS),
  };
}

/**
 * Reads elements at the reader into `data` from `index` on, `limit` at most, and returns how many. It stops, and leaves the
 * reader, before what it is not sure of: an element that is wrong, or hard to round. That is for who reads one by one.
 */
export type ScanNumbers = (index: number, limit: number) => number;

/** The fast reader of numbers; undefined where there is none for the datatype, on this machine, or for so few elements. */
export function numberScanner(reader: JsonReader, datatype: Datatype, data: NumericArray): ScanNumbers | undefined {
  const { kind } = DATATYPES[datatype];
  if (kind === 'bool' || data.length < MIN_ELEMENTS) return undefined;
  const module = getModule();
  if (module === undefined) return undefined;
  const scan = scanText(module, reader);
  if (data instanceof Float32Array) return scanInto(data, module.words, (limit) => scan(limit, KINDS.FLOAT32));
  if (data instanceof Float64Array) return scanInto(data, module.words, (limit) => scan(limit, KINDS.FLOAT64));
  if (data instanceof BigInt64Array) return scanInto(data, module.words, (limit) => scan(limit, KINDS.INT64));
  if (data instanceof BigUint64Array) return scanInto(data, module.words, (limit) => scan(limit, KINDS.UINT64));
  return scanNarrow(data as Int32Array, datatype, module.doubles, reader, (limit) => scan(limit, KINDS.FLOAT64));
}

function scanText({ scan, bytes, position }: Module, reader: JsonReader): (limit: number, kind: number) => number {
  const text = reader.bytes;
  // The part of the text that is in the module's memory.
  let start = 0;
  let end = 0;
  return (limit, kind) => {
    const { pos } = reader;
    if (pos < start || pos >= end || (end - pos < NEAR_THE_END && end < text.length)) {
      start = pos;
      end = Math.min(pos + TEXT_BYTES, text.length);
      bytes.set(text.subarray(start, end), TEXT);
      bytes.fill(0, TEXT + end - start, TEXT + end - start + END_BYTES);
    }
    const read = scan(TEXT + pos - start, RESULTS, limit, kind);
    if (read > 0) reader.pos = start + (position[0] as number) - TEXT;
    return read;
  };
}

/** The results are the elements, bit by bit. */
function scanInto(
  data: Float32Array | Float64Array | BigInt64Array | BigUint64Array,
  results: Uint32Array,
  scan: (limit: number) => number,
): ScanNumbers {
  const width = data.BYTES_PER_ELEMENT / results.BYTES_PER_ELEMENT;
  const words = new Uint32Array(data.buffer, data.byteOffset, data.length * width);
  return (index, limit) => {
    const read = scan(limit);
    const at = index * width;
    const count = read * width;
    if (count >= MIN_BLOCK) words.set(results.subarray(0, count), at);
    else for (let i = 0; i < count; i++) words[at + i] = results[i] as number;
    return read;
  };
}

/** The results are doubles, of which a narrower datatype holds but some. */
function scanNarrow(
  data: Int32Array,
  datatype: Datatype,
  results: Float64Array,
  reader: JsonReader,
  scan: (limit: number) => number,
): ScanNumbers {
  const { kind, min, max } = DATATYPES[datatype];
  return (index, limit) => {
    const { pos } = reader;
    const read = scan(limit);
    for (let i = 0; i < read; i++) {
      const value = results[i] as number;
      data[index + i] = value;
      const holds =
        kind === 'int' ? Number.isInteger(value) && value >= min && value <= max : Number.isFinite(data[index + i]);
      if (holds) continue;
      // Once more, up to the element that is wrong.
      reader.pos = pos;
      return scan(i);
    }
    return read;
  };
}
