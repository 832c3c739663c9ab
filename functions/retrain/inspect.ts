import { createHash } from 'node:crypto';
import { DataChanged, type DataFile, type Dataset } from './datasets.ts';
import { inParallel } from './in-parallel.ts';
import type { SnapshotFile } from './snapshot.ts';

/** What a file turned out to be when it was read. */
export type Inspected = DataFile & {
  /** Of the bytes, in hexadecimal digits. */
  readonly sha256: string;
  /** Undefined where the file is no picture that can be decoded. */
  readonly picture: Picture | undefined;
  /** Why it is none. */
  readonly problem: Problem | undefined;
};

export type Picture = {
  readonly width: number;
  readonly height: number;
  /** Of width, height and colours: the same for two files that show the same, however they are compressed. */
  readonly pixelsSha256: string;
};

export type Problem = { readonly code: 'wrong-format' | 'image-size' | 'unreadable-file'; readonly text: string };

/** Decodes a picture, or tells why not. */
export type Decode = (bytes: Uint8Array) => Picture | Problem;

/** So many files are in memory at a time: the time goes into waiting for the store. */
const AT_ONCE = 8;

/**
 * Reads each file once.
 * @param known of files that were read before; those that are the same still are not read again
 */
export function inspect(
  dataset: Dataset,
  model: string,
  files: readonly DataFile[],
  known: readonly SnapshotFile[],
  decode: Decode,
): Promise<Inspected[]> {
  const byState = new Map(known.map((file) => [stateOf(file.path, file.size, file.etag, file.version_id), file]));
  return inParallel(files, AT_ONCE, async (file): Promise<Inspected> => {
    const before = byState.get(stateOf(file.path, file.size, file.etag, file.versionId));
    if (before !== undefined) {
      const { sha256, width, height, pixels_sha256: pixelsSha256 } = before;
      return { ...file, sha256, picture: { width, height, pixelsSha256 }, problem: undefined };
    }
    const { bytes, sha256 } = await contentOf(dataset, model, file);
    const decoded = decode(bytes);
    const isPicture = 'pixelsSha256' in decoded;
    return { ...file, sha256, picture: isPicture ? decoded : undefined, problem: isPicture ? undefined : decoded };
  });
}

/** The content that was listed, and its hash. */
export async function contentOf(
  dataset: Dataset,
  model: string,
  file: DataFile,
): Promise<{ bytes: Uint8Array; sha256: string }> {
  const bytes = new Uint8Array(file.size);
  const hash = createHash('sha256');
  let at = 0;
  for await (const chunk of dataset.read(model, file)) {
    if (at + chunk.length > file.size) throw new DataChanged(`${file.path} is larger than it was`);
    bytes.set(chunk, at);
    hash.update(chunk);
    at += chunk.length;
  }
  if (at !== file.size) throw new DataChanged(`${file.path} is smaller than it was`);
  return { bytes, sha256: hash.digest('hex') };
}

function stateOf(path: string, size: number, etag: string | undefined, versionId: string | undefined): string {
  return JSON.stringify([path, size, etag, versionId ?? null]);
}
