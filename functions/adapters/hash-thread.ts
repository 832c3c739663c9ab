import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Range } from './range-connection.ts';

/** The sha256 of a file that is still being written, computed by a thread of its own, part by part in their order. */
export class HashThread {
  readonly #thread: Worker;
  readonly #digest: Promise<[digest: string]>;

  /** @param fd of the file, open for reading until the digest is there */
  constructor(fd: number) {
    this.#thread = new Worker(`(${hashParts})()`, { eval: true, workerData: fd });
    this.#digest = once(this.#thread, 'message') as Promise<[string]>;
    // Who waits for the digest is told.
    this.#digest.catch(() => {});
  }

  /** The next part of the file, which is there by now. */
  add({ start, end }: Range): void {
    this.#thread.postMessage({ start, end });
  }

  /** In hexadecimal digits. @throws Error when the file can't be read */
  async digest(): Promise<string> {
    this.#thread.postMessage(undefined);
    const [digest] = await this.#digest;
    return digest;
  }

  async end(): Promise<void> {
    await this.#thread.terminate();
  }
}

/** What the thread does. It is handed over as text, so that it needs no file beside a bundle: nothing of this module is there. */
function hashParts(): void {
  const { createHash } = process.getBuiltinModule('node:crypto');
  const { readSync } = process.getBuiltinModule('node:fs');
  const { parentPort, workerData: fd } = process.getBuiltinModule('node:worker_threads');
  const hash = createHash('sha256');
  // Into the same memory, as fresh pages would take longer than the hash.
  const piece = Buffer.allocUnsafeSlow(512 * 1024);
  parentPort?.on('message', (part?: Range) => {
    if (part === undefined) {
      parentPort.postMessage(hash.digest('hex'));
      return;
    }
    for (let at = part.start; at < part.end; ) {
      const bytes = readSync(fd, piece, 0, Math.min(piece.length, part.end - at), at);
      if (bytes === 0) throw new Error(`the file ended after ${at} bytes`);
      hash.update(piece.subarray(0, bytes));
      at += bytes;
    }
  });
}
