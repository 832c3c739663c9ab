const utf8 = new TextEncoder();

/** UTF-8 takes at most so many bytes for one UTF-16 unit. */
const BYTES_PER_UNIT = 3;
/** The longest integer of 32 bits: -2147483648. */
const MAX_INTEGER_TEXT = 11;

/** So much text is gathered before it becomes bytes: most answers become bytes at once. */
const MAX_PENDING = 16 * 1024;

/**
 * Where short answers become bytes, one behind the other: memory of their own would take longer to get than they take to
 * be written. Node's Buffer does the same.
 */
const BLOCK_BYTES = 16 * 1024;
const NOTHING = new Uint8Array();
let block = new Uint8Array();
let blockUsed = 0;

/** A part of a block that nobody else has. */
function inBlock(bytes: number): Uint8Array<ArrayBuffer> {
  if (blockUsed + bytes > block.length) {
    block = new Uint8Array(BLOCK_BYTES);
    blockUsed = 0;
  }
  blockUsed += bytes;
  return block.subarray(blockUsed - bytes, blockUsed);
}

/** JSON that is written as bytes. Whoever writes sees to it that it is JSON. */
export class JsonWriter {
  #bytes = NOTHING;
  #length = 0;
  /** What comes after the bytes. */
  #pending = '';

  text(text: string): void {
    this.#pending += text;
    if (this.#pending.length > MAX_PENDING) this.#flush(0);
  }

  /** The integers of up to 32 bits, with commas between them. */
  integers(values: ArrayLike<number>): void {
    this.#flush(values.length * (MAX_INTEGER_TEXT + 1));
    const bytes = this.#bytes;
    let at = this.#length;
    for (let i = 0; i < values.length; i++) {
      if (i > 0) bytes[at++] = 0x2c;
      let rest = values[i] as number;
      if (rest < 0) {
        bytes[at++] = 0x2d;
        rest = -rest;
      }
      let digits = 1;
      for (let power = 10; power <= rest; power *= 10) digits++;
      at += digits;
      for (let end = at; digits > 0; digits--) {
        const tenth = Math.floor(rest / 10);
        bytes[--end] = 0x30 + rest - tenth * 10;
        rest = tenth;
      }
    }
    this.#length = at;
  }

  /**
   * What was written.
   * @param alignment spaces are appended up to a multiple of so many bytes
   */
  finish(alignment = 1): Uint8Array<ArrayBuffer> {
    this.#flush(alignment);
    const end = Math.ceil(this.#length / alignment) * alignment;
    return this.#bytes.fill(0x20, this.#length, end).subarray(0, end);
  }

  /** Makes bytes of the text, and room for some more. */
  #flush(more: number): void {
    const needed = this.#length + this.#pending.length * BYTES_PER_UNIT + more;
    if (needed > this.#bytes.length) {
      const isShort = needed <= BLOCK_BYTES / 4;
      const larger = isShort ? inBlock(needed) : new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      if (this.#length > 0) larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#length += utf8.encodeInto(this.#pending, this.#bytes.subarray(this.#length)).written;
    this.#pending = '';
  }
}
