import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Unavailable } from '../protocol/errors.ts';
import { checkHash, checkPath } from './file-check.ts';
import { FileHash } from './file-hash.ts';
import { HashThread } from './hash-thread.ts';
import type { Range, WriteBytes } from './range-connection.ts';

export type RemoteFile = {
  /** Relative to the folder. */
  readonly path: string;
  /** Changes with the content. */
  readonly etag: string;
  /** Bytes. */
  readonly size: number;
  /** What its content has to have, in hexadecimal digits. */
  readonly sha256?: string;
};

/**
 * Writes a range of a file's content, in its order; returns early where the connection breaks off.
 * @throws when the file is another one by now, and what `write` does
 */
export type GetRange = (file: RemoteFile, range: Range, write: WriteBytes) => Promise<void>;

/** Shows a download that has begun: what it is of, and how many bytes it has in all. */
export type WatchDownload = (label: string, bytes: number) => { add(bytes: number): void; end(): void };

/** S3 gives one connection 85 to 90 MB/s and asks for ranges of 8 to 16 MB (its performance guidelines). */
const RANGE_BYTES = 8 * 1024 * 1024;
const CONNECTIONS = 8;
/** The hash of a larger file takes longer than the start of a thread for it. */
const MAX_HASHED_HERE = 32 * 1024 * 1024;
/** Times that a range goes on where its connection broke off. */
const RESUMES = 3;

/**
 * Brings files into `folder`, which appears only once it is complete; one that is there is left as it is.
 * @throws ModelRejected for paths that lead elsewhere, and for other content than expected; Unavailable
 */
export async function downloadFolder(folder: string, files: readonly RemoteFile[], get: GetRange): Promise<void> {
  for (const { path } of files) checkPath(path);
  if (await stat(folder).catch(() => undefined)) return;
  const unfinished = `${folder}.${randomUUID({ disableEntropyCache: true })}`;
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
  const file = await open(target, 'wx+');
  try {
    await file.truncate(remote.size);
    const parts = Array.from({ length: Math.ceil(remote.size / RANGE_BYTES) }, (_, i) => ({
      start: i * RANGE_BYTES,
      end: Math.min(remote.size, (i + 1) * RANGE_BYTES),
      written: Promise.withResolvers<void>(),
    }));
    const waiting = [...parts];
    const next = async (): Promise<void> => {
      for (let part = waiting.shift(); part !== undefined; part = waiting.shift()) {
        await downloadRange(file, remote, part, get);
        part.written.resolve();
      }
    };
    const giveUp = (error: unknown): never => {
      waiting.length = 0;
      for (const { written } of parts) written.reject(error);
      throw error;
    };
    for (const { written } of parts) written.promise.catch(() => {});
    const connections = Array.from({ length: CONNECTIONS }, () => next().catch(giveUp));
    // All of them are done with the file before it is closed.
    const all = await Promise.allSettled([...connections, checkContent(file, remote, parts)]);
    for (const one of all) if (one.status === 'rejected') throw one.reason;
  } finally {
    await file.close();
  }
}

type Part = Range & { readonly written: { readonly promise: Promise<void> } };

/**
 * Behind the connections, in the order of the file: what was just written is still in memory.
 * @throws ModelRejected for other content than expected
 */
async function checkContent(
  file: FileHandle,
  { path, size, sha256 }: RemoteFile,
  parts: readonly Part[],
): Promise<void> {
  if (sha256 === undefined) return;
  const thread = size > MAX_HASHED_HERE ? new HashThread(file.fd) : undefined;
  const hash = thread ?? new FileHash(file);
  try {
    for (const part of parts) {
      await part.written.promise;
      await hash.add(part);
    }
    checkHash(path, await hash.digest(), sha256);
  } finally {
    await thread?.end();
  }
}

async function downloadRange(
  file: FileHandle,
  remote: RemoteFile,
  { start, end }: Range,
  get: GetRange,
): Promise<void> {
  let at = start;
  let failed: unknown;
  const write = async (bytes: Uint8Array): Promise<void> => {
    try {
      // What a server sends beyond the range is not wanted.
      for (let left = bytes.subarray(0, end - at); left.length > 0; ) {
        const { bytesWritten } = await file.write(left, 0, left.length, at);
        at += bytesWritten;
        left = left.subarray(bytesWritten);
      }
    } catch (error) {
      failed = error;
      throw error;
    }
  };
  // What a broken connection has brought is kept; the next one goes on from there.
  for (let tries = 0; at < end; tries++) {
    if (tries > RESUMES) throw new Unavailable('the model repository broke off its answer too often', 1);
    await get(remote, { start: at, end }, write).catch((error: unknown) => {
      throw failed ?? error;
    });
  }
}
