const utf8 = new TextEncoder();

/** UTF-8 takes at most so many bytes for one UTF-16 unit. */
const BYTES_PER_UNIT = 3;
/** The longest integer of 32 bits: -2147483648. */
const MAX_INTEGER_TEXT = 11;

/** JSON text that is written straight into its bytes. Whoever writes sees to it that it is JSON. */
export class JsonWriter {
  #bytes = new Uint8Array(1024);
  #length = 0;

  text(text: string): void {
    this.#reserve(text.length * BYTES_PER_UNIT);
    this.#length += utf8.encodeInto(text, this.#bytes.subarray(this.#length)).written;
  }

  /** The integers of up to 32 bits, with commas between them. */
  integers(values: ArrayLike<number>): void {
    this.#reserve(values.length * (MAX_INTEGER_TEXT + 1));
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

  /** What was written. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.finish());
    this.#bytes = larger;
  }
}
