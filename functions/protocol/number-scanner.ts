import type { Datatype, NumericArray } from './datatypes.ts';
import type { JsonReader } from './json-reader.ts';
import { NUMBER_SCANNER } from './number-scanner-module.ts';
import { POWER_TABLE_BYTES, writePowerTable } from './power-table.ts';

/** As much of it as is used here; neither TypeScript's `esnext` nor Node's types have it. */
declare const WebAssembly: {
  readonly Module: new (code: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (
    module: object,
  ) => { readonly exports: { readonly memory: { readonly buffer: ArrayBuffer }; readonly scan: Scan } };
};

/** Where things lie in the module's memory, which never grows. */
const POSITION = 0;
const LEVELS = 512;
const POWERS = 1024;
const DIVISORS = 11 * 1024 + 256;
const LARGEST_DIVISOR = 44;
const TEXT = 12 * 1024;
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

const KINDS: { readonly [datatype in Datatype]?: number } = {
  FP32: 0,
  FP64: 1,
  // As doubles, which are rounded here.
  FP16: 1,
  INT64: 2,
  UINT64: 3,
  INT32: 4,
  UINT32: 5,
  INT16: 6,
  UINT16: 7,
  INT8: 8,
  UINT8: 9,
};

/** See number-scanner.as.ts. */
type Scan = (
  text: number,
  results: number,
  count: number,
  kind: number,
  left: number,
  width: number,
  levels: number,
) => number;

type Module = {
  readonly scan: Scan;
  readonly bytes: Uint8Array;
  readonly position: Uint32Array;
  readonly levels: Uint32Array;
  readonly doubles: Float64Array;
  /** The results as what is copied. */
  readonly resultBytes: Uint8Array;
  readonly resultWords: Uint32Array;
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
  writePowerTable(new BigUint64Array(buffer, POWERS, POWER_TABLE_BYTES / 8));
  new Float64Array(buffer, DIVISORS, LARGEST_DIVISOR + 1).forEach((_, power, divisors) => {
    divisors[power] = Number(`1e${power}`);
  });
  return {
    scan: exports.scan,
    bytes: new Uint8Array(buffer),
    position: new Uint32Array(buffer, POSITION, 1),
    levels: new Uint32Array(buffer, LEVELS, (POWERS - LEVELS) / 4),
    doubles: new Float64Array(buffer, RESULTS),
    resultBytes: new Uint8Array(buffer, RESULTS),
    resultWords: new Uint32Array(buffer, RESULTS),
  };
}

/**
 * Reads elements at the reader into `data` from `index` on, `limit` at most, and returns how many. It stops, and leaves the
 * reader, before what it is not sure of: an element that is wrong, or hard to round. That is for who reads one by one.
 * @param inRow the element is in an innermost array of a tensor that is nested like its shape: it goes on in the next one
 */
export type ScanNumbers = (index: number, limit: number, inRow: boolean) => number;

/** The fast reader of numbers; undefined where there is none for the datatype, on this machine, or for so few elements. */
export function numberScanner(
  reader: JsonReader,
  datatype: Datatype,
  shape: readonly number[],
  data: NumericArray,
): ScanNumbers | undefined {
  const kind = KINDS[datatype];
  if (kind === undefined || data.length < MIN_ELEMENTS) return undefined;
  const module = getModule();
  if (module === undefined) return undefined;
  const scan = scanText(module, reader, kind, shape);
  return data instanceof Float16Array ? scanHalves(data, module, reader, scan) : scanInto(data, module, scan);
}

/** As ScanNumbers, but that the results stay in the module's memory. */
function scanText(
  { scan, bytes, position, levels }: Module,
  reader: JsonReader,
  kind: number,
  shape: readonly number[],
): ScanNumbers {
  const text = reader.bytes;
  const width = shape.at(-1) ?? 1;
  // The part of the text that is in the module's memory.
  let start = 0;
  let end = 0;
  return (index, limit, inRow) => {
    const { pos } = reader;
    if (pos < start || pos >= end || (end - pos < NEAR_THE_END && end < text.length)) {
      start = pos;
      end = Math.min(pos + TEXT_BYTES, text.length);
      bytes.set(text.subarray(start, end), TEXT);
      bytes.fill(0, TEXT + end - start, TEXT + end - start + END_BYTES);
    }
    if (inRow) writeLevels(levels, shape, index);
    const left = inRow ? width - (index % width) : limit;
    const read = scan(TEXT + pos - start, RESULTS, limit, kind, left, width, inRow ? shape.length - 1 : 0);
    if (read > 0) reader.pos = start + (position[0] as number) - TEXT;
    return read;
  };
}

/** For each level of arrays, from that of the rows outwards: items that are left with the one at hand, and all of them. */
function writeLevels(levels: Uint32Array, shape: readonly number[], index: number): void {
  let item = Math.floor(index / (shape.at(-1) ?? 1));
  let at = 0;
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    const items = shape[axis] as number;
    levels[at++] = items - (item % items);
    levels[at++] = items;
    item = Math.floor(item / items);
  }
}

/** The results are the elements, bit by bit. */
function scanInto(data: NumericArray, { resultBytes, resultWords }: Module, scan: ScanNumbers): ScanNumbers {
  const results = data.BYTES_PER_ELEMENT < 4 ? resultBytes : resultWords;
  const parts = data.BYTES_PER_ELEMENT / results.BYTES_PER_ELEMENT;
  const View = results === resultBytes ? Uint8Array : Uint32Array;
  const target = new View(data.buffer, data.byteOffset, data.length * parts);
  return (index, limit, inRow) => {
    const read = scan(index, limit, inRow);
    const at = index * parts;
    const count = read * parts;
    if (count >= MIN_BLOCK) target.set(results.subarray(0, count), at);
    else for (let i = 0; i < count; i++) target[at + i] = results[i] as number;
    return read;
  };
}

/** The results are doubles, of which a half holds but some. */
function scanHalves(data: Float16Array, { doubles }: Module, reader: JsonReader, scan: ScanNumbers): ScanNumbers {
  return (index, limit, inRow) => {
    const { pos } = reader;
    const read = scan(index, limit, inRow);
    for (let i = 0; i < read; i++) {
      data[index + i] = doubles[i] as number;
      if (Number.isFinite(data[index + i])) continue;
      // Once more, up to the element that is wrong.
      reader.pos = pos;
      return scan(index, i, inRow);
    }
    return read;
  };
}
