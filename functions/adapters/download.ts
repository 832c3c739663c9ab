import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ModelRejected } from '../inference/ports.ts';
import { Unavailable } from '../protocol/errors.ts';

export type RemoteFile = {
  /** Relative to the folder. */
  readonly path: string;
  /** Changes with the content. */
  readonly etag: string;
  /** Bytes. */
  readonly size: number;
};

/** The bytes of a file from `start` up to, not including, `end`. @throws when the file is another one by now */
export type GetRange = (file: RemoteFile, start: number, end: number) => Promise<AsyncIterable<Uint8Array>>;

/** S3 gives one connection 85 to 90 MB/s and asks for ranges of 8 to 16 MB (its performance guidelines). */
const RANGE_BYTES = 8 * 1024 * 1024;
const CONNECTIONS = 8;
/** Times that a range goes on where its connection broke off. */
const RESUMES = 3;

/**
 * Brings files into `folder`, which appears only once it is complete; one that is there is left as it is.
 * @throws ModelRejected for paths that lead elsewhere; Unavailable
 */
export async function downloadFolder(folder: string, files: readonly RemoteFile[], get: GetRange): Promise<void> {
  for (const { path } of files) checkPath(path);
  if (await stat(folder).catch(() => undefined)) return;
  const unfinished = `${folder}.${randomUUID()}`;
  try {
    for (const file of files) {
      const target = join(unfinished, file.path);
      await mkdir(dirname(target), { recursive: true });
      await downloadFile(target, file, get);
    }
    await rename(unfinished, folder);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOSPC') throw new Unavailable('there is no room left on this machine for the model', 60);
    // Another process was faster.
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
  }
}

/** Several ranges at a time, each written where it belongs. */
async function downloadFile(target: string, remote: RemoteFile, get: GetRange): Promise<void> {
  const file = await open(target, 'wx');
  try {
    await file.truncate(remote.size);
    const starts = Array.from({ length: Math.ceil(remote.size / RANGE_BYTES) }, (_, i) => i * RANGE_BYTES);
    const next = async (): Promise<void> => {
      for (let start = starts.shift(); start !== undefined; start = starts.shift()) {
        await downloadRange(file, remote, start, Math.min(remote.size, start + RANGE_BYTES), get);
      }
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, next));
  } finally {
    await file.close();
  }
}

async function downloadRange(
  file: FileHandle,
  remote: RemoteFile,
  start: number,
  end: number,
  get: GetRange,
): Promise<void> {
  let at = start;
  for (let tries = 0; at < end; tries++) {
    if (tries > RESUMES) throw new Unavailable('the model repository broke off its answer too often', 1);
    const chunks = (await get(remote, at, end))[Symbol.asyncIterator]();
    // What a broken connection has brought is kept; the next one goes on from there.
    for (let chunk = await nextOf(chunks); chunk !== undefined; chunk = await nextOf(chunks)) {
      const bytes = chunk.subarray(0, end - at);
      await file.write(bytes, 0, bytes.length, at);
      at += bytes.length;
    }
  }
}

async function nextOf(chunks: AsyncIterator<Uint8Array>): Promise<Uint8Array | undefined> {
  try {
    const { done, value } = await chunks.next();
    return done ? undefined : value;
  } catch {
    return undefined;
  }
}

/** Names of objects are any text. */
function checkPath(path: string): void {
  const isPlain = path.split('/').every((part) => /^[^\\\0]+$/.test(part) && part !== '.' && part !== '..');
  if (!isPlain) throw new ModelRejected('the version holds a file whose name is no plain path');
}
