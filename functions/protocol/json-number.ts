import type { JsonReader } from './json-reader.ts';

/** Powers of ten that a double holds exactly. */
const POWERS_OF_TEN = Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));

/**
 * The double nearest to the JSON number at the reader, or undefined when there is none. Up to 15 digits and an exponent
 * of up to 22 take the exact short way (Clinger, "How to read floating point numbers accurately", 1990: both factors
 * are exact, so one rounding is left); the rest goes through `Number`.
 */
export function readDouble(reader: JsonReader): number | undefined {
  const { bytes } = reader;
  let pos = reader.pos;
  const negative = bytes[pos] === 0x2d;
  if (negative) pos++;
  let mantissa = 0;
  let digits = 0;
  let exponent = 0;
  let byte = bytes[pos];
  if (byte === 0x30) {
    byte = bytes[++pos];
    if (isDigit(byte)) return undefined;
  } else {
    if (!isDigit(byte)) return undefined;
    for (; byte !== undefined && byte >= 0x30 && byte <= 0x39; byte = bytes[++pos]) {
      mantissa = mantissa * 10 + (byte - 0x30);
      digits++;
    }
  }
  if (byte === 0x2e) {
    byte = bytes[++pos];
    if (!isDigit(byte)) return undefined;
    for (; byte !== undefined && byte >= 0x30 && byte <= 0x39; byte = bytes[++pos]) {
      mantissa = mantissa * 10 + (byte - 0x30);
      if (mantissa !== 0) digits++;
      exponent--;
    }
  }
  if (byte === 0x65 || byte === 0x45 || digits > 15 || exponent < -22) {
    const text = numberAt(bytes, reader.pos);
    if (text === '') return undefined;
    reader.pos += text.length;
    return Number(text);
  }
  reader.pos = pos;
  const value = exponent === 0 ? mantissa : mantissa / (POWERS_OF_TEN[-exponent] as number);
  return negative ? -value : value;
}

const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;

/** The text of the JSON number at `start`, or '' when there is none. */
export function numberAt(bytes: Uint8Array, start: number): string {
  let pos = start;
  for (;;) {
    const byte = bytes[pos];
    const inNumber =
      byte !== undefined &&
      ((byte >= 0x30 && byte <= 0x39) || byte === 0x2d || byte === 0x2b || byte === 0x2e || (byte | 0x20) === 0x65);
    if (!inNumber) break;
    pos++;
  }
  // No double needs more than 800 digits; a longer token is an attack on the regular expression and on Number.
  if (pos - start > 1000) return '';
  const text = String.fromCharCode(...bytes.subarray(start, pos));
  return NUMBER.test(text) ? text : '';
}

export function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}
