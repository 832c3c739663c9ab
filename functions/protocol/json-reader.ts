import { InvalidRequest } from './errors.ts';
import { readDouble } from './json-number.ts';
import { quote } from './names.ts';

export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject;
/** Without a prototype, so that a key like `__proto__` is a key like any other. */
export type JsonObject = { [key: string]: JsonValue };

/** Triton's limit; deeper values would only serve to exhaust the stack. */
const MAX_DEPTH = 100;

/** Longer ones are not kept. */
const MAX_WORD = 32;
/** Words that were read, each where its length, its first byte and its last one say. No more than one kilobyte of names. */
const WORDS: string[] = Array.from({ length: 61 }, () => '');

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads JSON from UTF-8 bytes, one value at a time, so that a tensor's numbers can go straight into their typed array.
 * Stricter than `JSON.parse` (duplicate keys and depth over 100 are refused) and, for tensors only, wider: see
 * json-tensor.ts.
 *
 * @throws InvalidRequest that names the byte where the text stops being JSON
 */
export class JsonReader {
  readonly bytes: Uint8Array;
  pos = 0;
  #depth = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** The next byte after white space, not consumed; -1 at the end. */
  peek(): number {
    const { bytes } = this;
    let { pos } = this;
    for (;;) {
      const byte = bytes[pos];
      if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) {
        pos++;
        continue;
      }
      this.pos = pos;
      return byte ?? -1;
    }
  }

  fail(expected: string): never {
    if (this.peek() === -1)
      throw new InvalidRequest(`malformed JSON: it ends at byte ${this.pos}; expected ${expected}`);
    const got = quote(String.fromCharCode(...this.bytes.subarray(this.pos, this.pos + 12)));
    throw new InvalidRequest(`malformed JSON at byte ${this.pos}: got ${got}; expected ${expected}`);
  }

  /** After the outermost value: nothing may follow. */
  end(): void {
    if (this.peek() !== -1) this.fail('the end of the text');
  }

  /** Calls `onKey` at each key, with the reader before the value, which `onKey` must consume. */
  object(what: string, onKey: (key: string) => void): void {
    if (this.peek() !== 0x7b) this.fail(`${what} to be an object`);
    this.#enter();
    const seen = new Keys();
    if (this.peek() === 0x7d) {
      this.#leave();
      return;
    }
    for (;;) {
      if (this.peek() !== 0x22) this.fail('a key in double quotes');
      const key = this.word('a key');
      if (!seen.add(key)) throw new InvalidRequest(`${what} has the key ${quote(key)} twice`);
      if (this.peek() !== 0x3a) this.fail("':'");
      this.pos++;
      onKey(key);
      const byte = this.peek();
      if (byte === 0x7d) break;
      if (byte !== 0x2c) this.fail("',' or '}'");
      this.pos++;
    }
    this.#leave();
  }

  /** Calls `onItem` before each item, which `onItem` must consume; returns their number. */
  array(what: string, onItem: (index: number) => void): number {
    return this.runs(what, (index) => {
      onItem(index);
      return index + 1;
    });
  }

  /**
   * Like `array`, where `onRun` consumes one or more items, with what is between them, and returns how many were read then.
   * It may also leave the reader in another array of the same depth, of which so many items were read.
   */
  runs(what: string, onRun: (index: number) => number): number {
    if (this.peek() !== 0x5b) this.fail(`${what} to be an array`);
    this.#enter();
    let count = 0;
    if (this.peek() !== 0x5d) {
      for (;;) {
        count = onRun(count);
        const byte = this.peek();
        if (byte === 0x5d) break;
        if (byte !== 0x2c) this.fail("',' or ']'");
        this.pos++;
      }
    }
    this.#leave();
    return count;
  }

  /** A string like a key, a name or a datatype, which is often one of those that were read before. */
  word(what: string): string {
    const { bytes } = this;
    if (this.peek() !== 0x22) return this.string(what);
    const start = this.pos + 1;
    let end = start;
    while (end - start < MAX_WORD && bytes[end] !== 0x22) end++;
    if (bytes[end] !== 0x22) return this.string(what);
    const slot = (end - start + (bytes[start] as number) * 5 + (bytes[end - 1] as number) * 19) % WORDS.length;
    const known = WORDS[slot] as string;
    if (known.length === end - start) {
      let at = start;
      while (at < end && known.charCodeAt(at - start) === bytes[at]) at++;
      if (at === end) {
        this.pos = end + 1;
        return known;
      }
    }
    const word = this.string(what);
    // Neither escapes nor anything but ASCII: its characters are its bytes.
    if (word.length === end - start) WORDS[slot] = word;
    return word;
  }

  string(what: string): string {
    if (this.peek() !== 0x22) this.fail(`${what} to be a string`);
    const { bytes } = this;
    const start = this.pos;
    let pos = start + 1;
    let plain = true;
    for (;;) {
      const byte = bytes[pos];
      if (byte === 0x22) break;
      if (byte === undefined || byte < 0x20) {
        this.pos = pos;
        this.fail('a closing quote');
      }
      if (byte === 0x5c) {
        plain = false;
        pos++;
      } else if (byte >= 0x80) {
        plain = false;
      }
      pos++;
    }
    this.pos = pos + 1;
    if (plain && pos - start < 64) return String.fromCharCode(...bytes.subarray(start + 1, pos));
    try {
      return JSON.parse(utf8.decode(bytes.subarray(start, pos + 1)));
    } catch {
      throw new InvalidRequest(`malformed JSON at byte ${start}: ${what} has a wrong escape or is not UTF-8`);
    }
  }

  /** A number in JSON's own grammar, as the nearest double. */
  number(what: string): number {
    this.peek();
    return readDouble(this) ?? this.fail(`${what} to be a number`);
  }

  boolean(what: string): boolean {
    const byte = this.peek();
    if (byte === 0x74) return this.#word('true', true);
    if (byte === 0x66) return this.#word('false', false);
    return this.fail(`${what} to be true or false`);
  }

  value(what: string): JsonValue {
    switch (this.peek()) {
      case 0x7b: {
        const object: JsonObject = Object.create(null);
        this.object(what, (key) => {
          object[key] = this.value(quote(key));
        });
        return object;
      }
      case 0x5b: {
        const array: JsonValue[] = [];
        this.array(what, () => array.push(this.value(what)));
        return array;
      }
      case 0x22:
        return this.string(what);
      case 0x74:
      case 0x66:
        return this.boolean(what);
      case 0x6e:
        return this.#word('null', null);
      default:
        return this.number(what);
    }
  }

  /** Steps over one value without building it. Its brackets and strings are checked here, the rest by who reads it. */
  skip(what: string): void {
    const first = this.peek();
    if (first === 0x22) {
      this.string(what);
      return;
    }
    if (first !== 0x5b && first !== 0x7b) {
      this.value(what);
      return;
    }
    const { bytes } = this;
    let open = 0;
    for (;;) {
      const byte = bytes[this.pos];
      if (byte === undefined) this.fail(`the end of ${what}`);
      if (byte === 0x22) {
        this.string(what);
        continue;
      }
      this.pos++;
      if (byte === 0x5b || byte === 0x7b) {
        if (++open > MAX_DEPTH) throw tooDeep();
      } else if ((byte === 0x5d || byte === 0x7d) && --open === 0) {
        return;
      }
    }
  }

  #enter(): void {
    if (++this.#depth > MAX_DEPTH) throw tooDeep();
    this.pos++;
  }

  #leave(): void {
    this.#depth--;
    this.pos++;
  }

  #word<T>(word: string, value: T): T {
    for (let i = 0; i < word.length; i++) {
      if (this.bytes[this.pos + i] !== word.charCodeAt(i)) this.fail(word);
    }
    this.pos += word.length;
    return value;
  }
}

function tooDeep(): InvalidRequest {
  return new InvalidRequest(`malformed JSON: nested deeper than ${MAX_DEPTH} levels`);
}

/** The keys of an object: mostly few enough to be compared one by one. */
class Keys {
  readonly #first: string[] = [];
  #all: Set<string> | undefined;

  /** False for one that is there already. */
  add(key: string): boolean {
    if (this.#first.length < 16) {
      if (this.#first.includes(key)) return false;
      this.#first.push(key);
      return true;
    }
    this.#all ??= new Set(this.#first);
    return this.#all.size < this.#all.add(key).size;
  }
}
