import { UnknownModel } from './errors.ts';

const MODEL_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const VERSION = /^[1-9][0-9]{0,8}$/;

/** Letters, digits, `.`, `_` and `-`, up to 128 of them, the first a letter or a digit, and no two dots in a row. */
export function isModelName(name: string): boolean {
  return MODEL_NAME.test(name) && !name.includes('..');
}

/** A positive integer of up to nine digits, without a leading zero. */
export function isVersion(version: string): boolean {
  return VERSION.test(version);
}

/** Stops a name that no model can have before it reaches a file system or S3. */
export function checkModelName(name: string): void {
  if (!isModelName(name)) {
    throw new UnknownModel(
      "no model has such a name; expected 1 to 128 letters, digits, '.', '_' or '-', without '..'",
    );
  }
}

export function checkVersion(model: string, version: string): void {
  if (!isVersion(version)) {
    throw new UnknownModel(`'${model}' has no such version; expected an integer from 1 to 999999999`);
  }
}

/** Somebody's text as it may stand in an error: short, and without control characters. */
export function quote(text: string): string {
  const clean = text.replace(/[^\x20-\x7e]/g, '?');
  return `'${clean.length > 80 ? `${clean.slice(0, 77)}...` : clean}'`;
}
