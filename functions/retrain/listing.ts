// What can be said of an upload before a byte of it is read.

import type { DataManifest } from './data-manifest.ts';
import type { DataFile } from './datasets.ts';
import type { Limits } from './limits.ts';
import { named, Rejected } from './rejection.ts';

export const MANIFEST_FILE = 'manifest.json';

const MIN_CLASSES = 2;
/** One folder, one name; nothing that a file system, a log or labels.txt would take for something else. */
const PATH = /^[^/\\\p{C}]{1,200}\/[^/\\\p{C}]{1,200}$/u;
const IMAGE = /\.(png|jpe?g)$/i;

/** The files that are pictures, or should be: not the manifest, and no hidden files, which file managers leave. */
export function pictures(files: readonly DataFile[]): readonly DataFile[] {
  return files.filter(({ path }) => path !== MANIFEST_FILE && !/(^|\/)\./.test(path));
}

/** Those that the manifest names, where there is one. @throws Rejected */
export function chosen(files: readonly DataFile[], manifest: DataManifest | undefined): readonly DataFile[] {
  if (manifest === undefined) return files;
  const there = new Set(files.map(({ path }) => path));
  const missing = [...manifest.keys()].filter((path) => !there.has(path));
  if (missing.length > 0) {
    throw new Rejected(
      'missing-file',
      `${MANIFEST_FILE} names ${missing.length} files that are not there: ${named(missing)}; expected the manifest to come last`,
    );
  }
  return files.filter(({ path }) => manifest.has(path));
}

export function classOf(path: string): string {
  return path.slice(0, path.indexOf('/'));
}

/** How many files there are of each class, by name. */
export function countsOf(files: readonly { readonly path: string }[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { path } of files) counts.set(classOf(path), (counts.get(classOf(path)) ?? 0) + 1);
  return new Map([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * @param labels the classes of the model, where it has any
 * @throws Rejected
 */
export function checkListing(files: readonly DataFile[], limits: Limits, labels: readonly string[] | undefined): void {
  const { maxFiles, maxFileBytes, maxBytes } = limits;
  if (files.length > maxFiles) {
    throw new Rejected(
      'too-many-files',
      `there are ${files.length} files; expected at most ${maxFiles} (limits.maxFiles)`,
    );
  }
  refuseAny(
    files,
    'bad-path',
    ({ path }) => !PATH.test(path),
    'are not where pictures belong',
    '<class>/<file>.png or .jpg',
  );
  refuseAny(files, 'wrong-format', ({ path }) => !IMAGE.test(path), 'are no pictures', '.png, .jpg or .jpeg');
  const sizes = `at most ${maxFileBytes} bytes (limits.maxFileBytes)`;
  refuseAny(files, 'too-large-file', ({ size }) => size > maxFileBytes, 'are too large', sizes);
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  if (bytes > maxBytes) {
    throw new Rejected(
      'too-large-dataset',
      `all files have ${bytes} bytes; expected at most ${maxBytes} (limits.maxBytes)`,
    );
  }
  checkClasses([...countsOf(files).keys()], labels);
  checkCounts(files, limits, 'there are');
}

function checkClasses(found: readonly string[], labels: readonly string[] | undefined): void {
  const unknown = found.filter((name) => labels !== undefined && !labels.includes(name));
  if (unknown.length > 0) {
    const known = named(labels ?? []);
    throw new Rejected('unknown-class', `the model does not know the classes ${named(unknown)}; expected ${known}`);
  }
  const missing = (labels ?? []).filter((name) => !found.includes(name));
  if (missing.length > 0) {
    throw new Rejected(
      'missing-class',
      `there are no pictures of the classes ${named(missing)}; expected all that the model knows`,
    );
  }
  if (found.length < MIN_CLASSES) {
    throw new Rejected('too-few-classes', `there are ${found.length} classes; expected at least ${MIN_CLASSES}`);
  }
}

/** @param are what the files are that are counted @throws Rejected */
export function checkCounts(
  files: readonly { readonly path: string }[],
  { minImagesPerClass }: Limits,
  are: string,
  classes: Iterable<string> = countsOf(files).keys(),
): void {
  const counts = countsOf(files);
  const few = [...classes].filter((name) => (counts.get(name) ?? 0) < minImagesPerClass);
  if (few.length === 0) return;
  const shown = named(few.map((name) => `${counts.get(name) ?? 0} of ${name}`));
  throw new Rejected(
    'too-few-images',
    `${are} too few pictures: ${shown}; expected at least ${minImagesPerClass} of each class (limits.minImagesPerClass)`,
  );
}

function refuseAny(
  files: readonly DataFile[],
  code: 'bad-path' | 'wrong-format' | 'too-large-file',
  isWrong: (file: DataFile) => boolean,
  what: string,
  expected: string,
): void {
  const wrong = files.filter(isWrong).map(({ path }) => path);
  if (wrong.length > 0)
    throw new Rejected(code, `${wrong.length} files ${what}: ${named(wrong)}; expected ${expected}`);
}
