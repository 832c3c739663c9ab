import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { extract, pack } from 'tar-stream';
import { ModelRejected } from '../inference/ports.ts';

/** A file of an archive, by its path there. */
export type TarFile = { readonly path: string; readonly bytes: Uint8Array };

export type TarLimits = {
  readonly maxFiles: number;
  /** Of one file: so much is held in memory. */
  readonly maxFileBytes: number;
};

/**
 * The files of an uncompressed tar archive, in its order. Nothing is written to a disk, and one file is held in memory at
 * a time.
 * @param chunks the archive's bytes
 * @throws ModelRejected for what is no whole archive of plain files within the limits
 */
export async function* readTar(
  chunks: AsyncIterable<Uint8Array>,
  { maxFiles, maxFileBytes }: TarLimits,
): AsyncIterable<TarFile> {
  const archive = extract();
  const source = Readable.from(chunks, { objectMode: false });
  let failure: Error | undefined;
  source.on('error', (error) => {
    failure = error;
    archive.destroy(error);
  });
  source.pipe(archive);
  let count = 0;
  try {
    for await (const entry of archive) {
      const { name, type, size = 0 } = entry.header;
      if (type !== 'file') throw new ModelRejected(`'${name}' is a ${type}; expected plain files alone`);
      if (size > maxFileBytes) {
        throw new ModelRejected(`'${name}' has ${size} bytes; expected at most ${maxFileBytes}`);
      }
      if (++count > maxFiles) throw new ModelRejected(`it holds more than ${maxFiles} files`);
      const parts: Uint8Array[] = [];
      for await (const part of entry) parts.push(part as Uint8Array);
      yield { path: name, bytes: Buffer.concat(parts) };
    }
  } catch (error) {
    if (error instanceof ModelRejected || error === failure) throw error;
    throw new ModelRejected(`it is no whole tar archive: ${(error as Error).message}`);
  } finally {
    archive.destroy();
    source.destroy();
  }
}

/**
 * Writes an archive to a new file. The same files in the same order give the same bytes: no times, no users.
 * @throws Error where there is a file already
 */
export async function writeTar(target: string, files: AsyncIterable<TarFile>): Promise<void> {
  const archive = pack();
  const output = await open(target, 'wx', 0o600);
  try {
    await Promise.all([
      fill(archive, files),
      (async () => {
        for await (const chunk of archive) await output.writeFile(chunk as Uint8Array);
      })(),
    ]);
  } finally {
    await output.close();
  }
}

async function fill(archive: ReturnType<typeof pack>, files: AsyncIterable<TarFile>): Promise<void> {
  try {
    for await (const { path, bytes } of files) {
      const header = { name: path, size: bytes.length, mode: 0o644, mtime: new Date(0), uid: 0, gid: 0 };
      await new Promise<void>((resolve, reject) => {
        const entry = archive.entry(header, (error) => (error ? reject(error) : resolve()));
        entry.end(Buffer.from(bytes));
      });
    }
    archive.finalize();
  } catch (error) {
    archive.destroy(error as Error);
    throw error;
  }
}
