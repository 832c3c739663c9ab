import { ModelRejected } from '../inference/ports.ts';
import { quote } from '../protocol/names.ts';

type Kind = 'word' | 'number' | 'string' | 'mark' | 'end';

const BLANK = /[ \t\n\v\f\r]+|#[^\n]*/y;
/** A number takes in all that may not follow it directly, so that `10bar` and `1.2.3` are one wrong number each. */
const TOKEN = /([A-Za-z_]\w*)|(\.?\d(?:[eE][+-]|[\w.])*)|(["'])|./sy;
/** Up to what ends a string or its line, which may not be in it: neither may NUL. */
const IN_STRING: { readonly [quote: string]: RegExp } = {
  '"': /[^"\\\n\0]+|\\[^\n\0]/y,
  "'": /[^'\\\n\0]+|\\[^\n\0]/y,
};

/**
 * The tokens of protobuf's text format, one at a time.
 * https://protobuf.dev/reference/protobuf/textformat-spec/#lexical
 */
export class Tokens {
  kind: Kind = 'end';
  /** The token as it is written, with the quotes of a string. */
  raw = '';
  /** Where the token begins in the text. */
  start = 0;
  readonly #text: string;
  #end = 0;

  /** @throws ModelRejected like every method, for a string without its end */
  constructor(text: string) {
    this.#text = text;
    this.next();
  }

  next(): void {
    while (this.#match(BLANK));
    this.start = this.#end;
    const found = this.#match(TOKEN);
    const [, word, number, quotation] = found ?? [];
    if (quotation !== undefined) this.#endString(quotation);
    this.raw = this.#text.slice(this.start, this.#end);
    if (found === null) this.kind = 'end';
    else if (word !== undefined) this.kind = 'word';
    else if (number !== undefined) this.kind = 'number';
    else this.kind = quotation === undefined ? 'mark' : 'string';
  }

  /** Steps over the mark if it is the token. */
  take(mark: string): boolean {
    if (this.kind !== 'mark' || this.raw !== mark) return false;
    this.next();
    return true;
  }

  /** @param sign that came before the token */
  expected(what: string, sign = ''): never {
    const got = this.kind === 'end' ? 'the text ends' : `got ${quote(sign + this.raw)}`;
    return this.fail(`${got}; expected ${what}`);
  }

  /** @param at the place in the text */
  fail(sentence: string, at = this.start): never {
    const lines = this.#text.slice(0, at).split('\n');
    throw new ModelRejected(`line ${lines.length}, column ${(lines.at(-1) ?? '').length + 1}: ${sentence}`);
  }

  #endString(quotation: string): void {
    while (this.#match(IN_STRING[quotation] as RegExp));
    if (this.#text[this.#end] !== quotation) {
      const got = this.#end === this.#text.length ? 'the text ends' : 'a string has a line break or a NUL';
      this.fail(`${got}; expected ${quotation} at the end of the string`, this.#end);
    }
    this.#end++;
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#end;
    const found = pattern.exec(this.#text);
    if (found !== null) this.#end = pattern.lastIndex;
    return found;
  }
}
