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

  /** Calls `onField` at each field that has a length, and `onNumber` with each that is a variable-length integer. */
  each(
    end: number,
    onField: (field: number, end: number) => void,
    onNumber: (field: number, value: number) => void = () => {},
  ): void {
    while (this.#pos < end) {
      const tag = this.number();
      const field = Math.floor(tag / 8);
      const type = tag & 7;
      if (type === 0) onNumber(field, this.number());
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
    while (this.#pos < end) found.push(this.number());
    return found;
  }

  text(end: number): string {
    const length = end - this.#pos;
    if (length > MAX_TEXT_BYTES) throw malformed();
    const bytes = Buffer.alloc(length);
    readSync(this.#file, bytes, 0, length, this.#pos);
    return bytes.toString('utf8');
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
