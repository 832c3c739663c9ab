import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { Unavailable } from '../protocol/errors.ts';
import { checkHash, checkPath } from './file-check.ts';

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

/** The bytes of a file from `start` up to, not including, `end`. @throws when the file is another one by now */
export type GetRange = (file: RemoteFile, start: number, end: number) => Promise<Readable>;

/** Shows a download that has begun: what it is of, and how many bytes it has in all. */
export type WatchDownload = (label: string, bytes: number) => { add(bytes: number): void; end(): void };

/** S3 gives one connection 85 to 90 MB/s and asks for ranges of 8 to 16 MB (its performance guidelines). */
const RANGE_BYTES = 8 * 1024 * 1024;
const CONNECTIONS = 8;
/** What is written, and read again for the hash, at a time. */
const PIECE_BYTES = 512 * 1024;
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
    const ranges = Array.from({ length: Math.ceil(remote.size / RANGE_BYTES) }, (_, i) => ({
      start: i * RANGE_BYTES,
      end: Math.min(remote.size, (i + 1) * RANGE_BYTES),
      done: Promise.withResolvers<void>(),
    }));
    const waiting = [...ranges];
    const next = async (): Promise<void> => {
      for (let range = waiting.shift(); range !== undefined; range = waiting.shift()) {
        await downloadRange(file, remote, range.start, range.end, get);
        range.done.resolve();
      }
    };
    // Behind the connections, in the order of the file: what was just written is still in memory. One piece after the other
    // comes into the same memory, as fresh pages would take longer than the hash.
    const hashed = async (): Promise<void> => {
      if (remote.sha256 === undefined) return;
      const hash = createHash('sha256');
      const piece = Buffer.allocUnsafe(Math.min(remote.size, PIECE_BYTES));
      for (const { start, end, done } of ranges) {
        await done.promise;
        for (let at = start; at < end; ) {
          const { bytesRead } = await file.read(piece, 0, Math.min(piece.length, end - at), at);
          if (bytesRead === 0) throw new Error(`the file ended after ${at} of ${remote.size} bytes`);
          hash.update(piece.subarray(0, bytesRead));
          at += bytesRead;
        }
      }
      checkHash(remote.path, hash.digest('hex'), remote.sha256);
    };
    await Promise.all([hashed(), ...Array.from({ length: CONNECTIONS }, next)]);
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
    // What a broken connection has brought is kept; the next one goes on from there.
    for await (const piece of piecesOf(await get(remote, at, end))) {
      const parts = upTo(end - at, piece);
      const { bytesWritten } = await file.writev(parts, at);
      at += bytesWritten;
      // A disk that takes a part only is full: the next try is told so.
      if (bytesWritten < bytesOf(parts)) break;
    }
  }
}

/**
 * The chunks of a stream, as many at a time as make a write worth its while; the next ones come meanwhile. Iterating the
 * stream itself would copy chunks together. Ends where the stream ends or breaks off.
 */
async function* piecesOf(body: Readable): AsyncGenerator<Uint8Array[]> {
  let piece: Uint8Array[] = [];
  let bytes = 0;
  let isOver = false;
  let wake = (): void => {};
  const over = (): void => {
    isOver = true;
    wake();
  };
  body.on('end', over).on('error', over).on('close', over);
  body.on('data', (chunk: Uint8Array) => {
    piece.push(chunk);
    bytes += chunk.length;
    if (bytes < PIECE_BYTES) return;
    body.pause();
    wake();
  });
  body.resume();
  try {
    for (;;) {
      if (bytes < PIECE_BYTES && !isOver) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      if (piece.length === 0) return;
      const full = piece;
      piece = [];
      bytes = 0;
      body.resume();
      yield full;
    }
  } finally {
    if (!isOver) body.destroy();
  }
}

/** What a server sends beyond the range is not wanted. */
function upTo(limit: number, piece: readonly Uint8Array[]): Uint8Array[] {
  let left = limit;
  return piece.map((chunk) => {
    const wanted = chunk.subarray(0, left);
    left -= wanted.length;
    return wanted;
  });
}

function bytesOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}
