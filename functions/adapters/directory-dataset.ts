import { createHash, randomUUID } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { isModelName } from '../protocol/names.ts';
import { DataChanged, type DataFile, type Dataset } from '../retrain/datasets.ts';
import { nothingThere } from './directory-store.ts';

const CHUNK_BYTES = 1024 * 1024;

/** Data sets below a folder. Only plain files count: a link may lead anywhere. */
export class DirectoryDataset implements Dataset {
  readonly #root: string;
  readonly #snapshots: string;

  /** @param snapshots the folder that copies are written below */
  constructor(root: string, snapshots: string) {
    this.#root = root;
    this.#snapshots = snapshots;
  }

  async models(): Promise<readonly string[]> {
    const names = ((await readdir(this.#root).catch(nothingThere)) ?? []).filter(isModelName).sort();
    const lists = await Promise.all(names.map((name) => this.list(name)));
    return names.filter((_, i) => lists[i]?.length);
  }

  async list(model: string): Promise<readonly DataFile[]> {
    const folder = join(this.#root, model);
    const entries = (await readdir(folder, { recursive: true, withFileTypes: true }).catch(nothingThere)) ?? [];
    const files: DataFile[] = [];
    for (const entry of entries) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      const found = await stat(path, { bigint: true }).catch(nothingThere);
      if (found !== undefined) files.push(asListed(relative(folder, path).replaceAll('\\', '/'), found));
    }
    return files.sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  async *read(model: string, file: DataFile): AsyncIterable<Uint8Array> {
    const handle = await open(join(this.#root, model, file.path)).catch(nothingThere);
    if (handle === undefined) throw gone(file);
    try {
      for await (const chunk of handle.createReadStream({ autoClose: false, highWaterMark: CHUNK_BYTES })) yield chunk;
      // The last look: what was read until now was of one content.
      if (asListed(file.path, await handle.stat({ bigint: true })).etag !== file.etag) throw gone(file);
    } finally {
      await handle.close();
    }
  }

  async copy(model: string, file: DataFile, sha256: string, snapshot: string): Promise<void> {
    const target = join(this.#snapshots, model, snapshot, file.path);
    const unfinished = join(dirname(target), `.unfinished-${randomUUID({ disableEntropyCache: true })}`);
    await mkdir(dirname(target), { recursive: true });
    const copy = await open(unfinished, 'wx');
    try {
      const hash = createHash('sha256');
      for await (const chunk of this.read(model, file)) {
        hash.update(chunk);
        await copy.writeFile(chunk);
      }
      if (hash.digest('hex') !== sha256) throw gone(file);
      await copy.sync();
      await rename(unfinished, target);
    } finally {
      await copy.close();
      await rm(unfinished, { force: true });
    }
  }
}

/** The time of a change of the content or the name, which nobody can set back, unlike that of the content alone. */
function asListed(path: string, { size, ino, ctimeNs, ctimeMs }: BigIntStats): DataFile {
  return { path, size: Number(size), etag: `${ino}-${size}-${ctimeNs}`, modified: Number(ctimeMs) };
}

function gone({ path }: DataFile): DataChanged {
  return new DataChanged(`${path} was changed while it was read`);
}
