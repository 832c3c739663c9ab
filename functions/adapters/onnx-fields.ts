import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { ModelRejected } from '../inference/ports.ts';

const WINDOW_BYTES = 256 * 1024;
/** Of a name, an offset or a length. */
const MAX_TEXT_BYTES = 4096;

/**
 * Calls `read` with the fields of a model file, and their end.
 * @throws ModelRejected for what is no message of Protocol Buffers
 */
export function readFields(path: string, read: (fields: Fields, end: number) => void): void {
  const file = openSync(path, 'r');
  try {
    read(new Fields(file), fstatSync(file).size);
  } finally {
    closeSync(file);
  }
}

/** Protocol Buffers, read from a file a window at a time: what nobody asks for, like weights, is passed over unread. */
export class Fields {
  readonly #file: number;
  readonly #window = Buffer.alloc(WINDOW_BYTES);
  #windowStart = 0;
  #windowLength = 0;
  #pos = 0;

  constructor(file: number) {
    this.#file = file;
  }

  /** Calls `onField` at each field that has a length, and `onNumber` with each that is an integer. */
  each(
    end: number,
    onField: (field: number, end: number) => void,
    onNumber: (field: number, value: number) => void = () => {},
  ): void {
    while (this.#pos < end) {
      const tag = this.number();
      const field = Math.floor(tag / 8);
      const type = tag & 7;
      if (type === 0) onNumber(field, this.#signed());
      else if (type === 1) this.#pos += 8;
      else if (type === 5) this.#pos += 4;
      else if (type === 2) {
        const fieldEnd = this.number() + this.#pos;
        if (fieldEnd > end) throw malformed();
        onField(field, fieldEnd);
        this.#pos = fieldEnd;
      } else throw malformed();
    }
    if (this.#pos > end) throw malformed();
  }

  /** The numbers of a packed field. */
  numbers(end: number): number[] {
    const found: number[] = [];
    while (this.#pos < end) found.push(this.#signed());
    return found;
  }

  text(end: number): string {
    return this.bytes(end).toString('utf8');
  }

  bytes(end: number): Buffer {
    const length = end - this.#pos;
    if (length > MAX_TEXT_BYTES) throw malformed();
    const bytes = Buffer.alloc(length);
    readSync(this.#file, bytes, 0, length, this.#pos);
    return bytes;
  }

  /** A variable-length integer; above 2^53 it is no longer exact. */
  number(): number {
    let value = 0;
    for (let factor = 1, count = 0; count < 10; factor *= 128, count++) {
      const byte = this.#byte();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
    throw malformed();
  }

  /** A variable-length integer of 64 bits: what has all ten bytes and the highest bit is negative. */
  #signed(): number {
    const start = this.#pos;
    const value = this.number();
    if (value < 2 ** 63) return value;
    this.#pos = start;
    let complement = 0;
    for (let factor = 1, count = 0; count < 9; factor *= 128, count++) complement += (~this.#byte() & 127) * factor;
    this.#pos++;
    return -complement - 1;
  }

  #byte(): number {
    const at = this.#pos++;
    if (at < this.#windowStart || at >= this.#windowStart + this.#windowLength) {
      this.#windowStart = at;
      this.#windowLength = readSync(this.#file, this.#window, 0, WINDOW_BYTES, at);
      if (this.#windowLength === 0) throw malformed();
    }
    return this.#window[at - this.#windowStart] as number;
  }
}

function malformed(): ModelRejected {
  return new ModelRejected('the model file is no ONNX model');
}
