import { quote } from '../protocol/names.ts';

/** Text, or a byte of an escape, which may be UTF-8 only together with its neighbours. */
export type StringPart = string | number;

const PART =
  /([^\\]+)|\\(?:([abfnrtv?\\'"])|([0-7]{1,3})|x([\da-fA-F]{1,2})|(?:u([\da-fA-F]{4})|U([\da-fA-F]{8}))|.)/gs;
const EXPECTED = String.raw`\n and its like, \ooo up to \377, \xhh, or \uhhhh or \Uhhhhhhhh of a character`;
/** Others are what they stand for. */
const LETTERS: { readonly [letter: string]: string } = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/**
 * What a string literal of text format holds.
 * https://protobuf.dev/reference/protobuf/textformat-spec/#string
 * @param literal with its quotes
 * @param fail is told of a wrong escape, with its place in the literal
 */
export function partsOf(literal: string, fail: (sentence: string, offset: number) => never): StringPart[] {
  if (!literal.includes('\\')) return [literal.slice(1, -1)];
  return Array.from(literal.slice(1, -1).matchAll(PART), (found) => {
    const [whole, plain, letter, octal, hex, short, long] = found;
    if (plain !== undefined) return plain;
    if (letter !== undefined) return LETTERS[letter] ?? letter;
    const byte = octal === undefined ? Number.parseInt(hex ?? '', 16) : Number.parseInt(octal, 8);
    if (byte <= 0xff) return byte;
    const point = Number.parseInt(short ?? long ?? '', 16);
    // Half of a surrogate pair is no character.
    if (point <= 0x10ffff && (point & ~0x7ff) !== 0xd800) return String.fromCodePoint(point);
    return fail(`got the escape ${quote(whole)}; expected ${EXPECTED}`, found.index + 1);
  });
}

/** The text of string literals that follow one another; undefined for bytes that are not UTF-8. */
export function joinParts(parts: readonly StringPart[]): string | undefined {
  if (parts.every((part) => typeof part === 'string')) return parts.join('');
  const bytes = parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.of(part)));
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(bytes));
  } catch {
    return undefined;
  }
}
