import { MANIFEST_FILE } from './listing.ts';
import { Rejected } from './rejection.ts';

/** A manifest.json that somebody has written beside the classes: these files, with these contents, and no others. */
export type DataManifest = ReadonlyMap<string, string>;

/** A hundred thousand files take no more. */
export const MAX_MANIFEST_BYTES = 32 * 1024 ** 2;

/**
 * `{"files": [{"path": "<class>/<file>", "sha256": "…"}]}` as the sha256 by path.
 * @throws Rejected
 */
export function readDataManifest(text: string): DataManifest {
  const { files } = parsed(text);
  if (!Array.isArray(files) || files.length === 0) reject('files is no list of files');
  const expected = new Map<string, string>();
  for (const [index, file] of files.entries()) {
    const { path, sha256 } = (file ?? {}) as { path?: unknown; sha256?: unknown };
    if (typeof path !== 'string') reject(`files[${index}].path is ${show(path)}`);
    if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256))
      reject(`files[${index}].sha256 is ${show(sha256)}`);
    if (expected.has(path)) reject(`files[${index}].path is ${show(path)}, for the second time`);
    expected.set(path, sha256);
  }
  return expected;
}

function parsed(text: string): { files?: unknown } {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // Told below.
  }
  return reject('it is no JSON object');
}

function reject(wrong: string): never {
  throw new Rejected(
    'bad-manifest',
    `${MANIFEST_FILE} can't be used: ${wrong}; expected {"files": [{"path": "<class>/<file>", "sha256": "<64 hexadecimal digits>"}]}`,
  );
}

function show(value: unknown): string {
  return value === undefined ? 'missing' : JSON.stringify(value).slice(0, 200);
}
