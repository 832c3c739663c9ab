/** Why an upload is not trained on, before anything is spent. docs/runbook.md has a section for each. */
export const REJECTION_CODES = [
  'no-training-json',
  'bad-manifest',
  'missing-file',
  'hash-mismatch',
  'bad-path',
  'wrong-format',
  'too-many-files',
  'too-large-file',
  'too-large-dataset',
  'too-few-classes',
  'unknown-class',
  'missing-class',
  'too-few-images',
  'unreadable-file',
  'image-size',
  'conflicting-labels',
  'duplicates',
  'held-out-overlap',
  'budget-exhausted',
] as const;

export type RejectionCode = (typeof REJECTION_CODES)[number];

/** A whole upload that is not taken. The text is a sentence for the person who has uploaded it. */
export class Rejected extends Error {
  readonly code: RejectionCode;

  constructor(code: RejectionCode, text: string) {
    super(text);
    this.code = code;
  }
}

const SHOWN = 5;

/** The first few of many, for a sentence: `a, b and 7 more`. */
export function named(names: readonly string[]): string {
  const shown = names.slice(0, SHOWN).map((name) => printable(name));
  return names.length > SHOWN ? `${shown.join(', ')} and ${names.length - SHOWN} more` : shown.join(', ');
}

/** A name that somebody made up, as it may stand in a log or a mail. */
export function printable(name: string): string {
  const clean = name.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?');
  return clean.length > 200 ? `${clean.slice(0, 197)}...` : clean;
}
