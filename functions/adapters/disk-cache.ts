import { mkdir, readdir, rm, stat, statfs, utimes } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { ModelRejected, NoRoom } from '../inference/ports.ts';

export type DiskCacheSettings = {
  readonly folder: string;
  /** Bytes that it may hold; by default `share` of what is free or its own. */
  readonly maxBytes?: number | undefined;
  /** From 0 to 1. */
  readonly share: number;
};

type Entry = { bytes: number; uses: number; usedAt: number };

/** Depth of an entry: model, version, content. */
const DEPTH = 3;

/**
 * Folders that can be made again, in a folder of bounded size. When there is no room for another one, those go that were
 * not used for the longest time; what is in use stays. What an earlier process has left is taken over.
 */
export class DiskCache {
  readonly #settings: DiskCacheSettings;
  #opened: Promise<{ entries: Map<string, Entry>; maxBytes: number }> | undefined;
  /** The entry on its way out, one at a time: its room is not free yet. */
  #leaving: { readonly path: string; readonly bytes: number; readonly gone: Promise<void> } | undefined;

  constructor(settings: DiskCacheSettings) {
    this.#settings = settings;
  }

  /**
   * Makes an entry, unless it is there, and keeps it until `done` is called.
   * @param path `model/version/content`
   * @param make fills the folder, which it has to make appear whole; called for every use
   * @throws ModelRejected for one that never fits, NoRoom where what is in use leaves none
   */
  async use(
    path: string,
    bytes: number,
    make: (folder: string) => Promise<void>,
  ): Promise<{ folder: string; done: () => void }> {
    this.#opened ??= this.#open();
    const { entries, maxBytes } = await this.#opened;
    const entry = await this.#taken(entries, path, bytes, maxBytes);
    const done = once(() => entry.uses--);
    try {
      const folder = join(this.#settings.folder, path);
      await make(folder);
      const now = new Date();
      await utimes(folder, now, now).catch(() => {});
      return { folder, done };
    } catch (error) {
      done();
      if (entry.uses === 0) entries.delete(path);
      throw error;
    }
  }

  /** The entry, in use: the one that is there, or one that there is room for. What others did meanwhile is seen. */
  async #taken(entries: Map<string, Entry>, path: string, bytes: number, maxBytes: number): Promise<Entry> {
    for (;;) {
      const held = Array.from(entries.values()).reduce((sum, entry) => sum + entry.bytes, this.#leaving?.bytes ?? 0);
      const known = entries.get(path) ?? (held + bytes <= maxBytes ? { bytes, uses: 0, usedAt: 0 } : undefined);
      if (known !== undefined && this.#leaving?.path !== path) {
        known.uses++;
        known.usedAt = Date.now();
        entries.set(path, known);
        return known;
      }
      if (bytes > maxBytes) {
        throw new ModelRejected(`the version has ${bytes} bytes; this machine has room for at most ${maxBytes}`);
      }
      await (this.#leaving?.gone ?? this.#removeOldest(entries));
    }
  }

  async #removeOldest(entries: Map<string, Entry>): Promise<void> {
    const idle = Array.from(entries).filter(([, { uses }]) => uses === 0);
    const [oldest] = idle.sort(([, a], [, b]) => a.usedAt - b.usedAt);
    if (oldest === undefined) {
      throw new NoRoom('there is no room left on this machine for the model, while others are in use', 1);
    }
    const [path, { bytes }] = oldest;
    entries.delete(path);
    const gone = rm(join(this.#settings.folder, path), { recursive: true, force: true }).finally(() => {
      this.#leaving = undefined;
    });
    this.#leaving = { path, bytes, gone };
    await gone;
  }

  async #open(): Promise<{ entries: Map<string, Entry>; maxBytes: number }> {
    const { folder, maxBytes, share } = this.#settings;
    await mkdir(folder, { recursive: true });
    const entries = new Map<string, Entry>();
    for (const found of await readdir(folder, { recursive: true, withFileTypes: true })) {
      const path = relative(folder, join(found.parentPath, found.name)).replaceAll('\\', '/');
      const name = path.split('/').slice(0, DEPTH).join('/');
      if (path.split('/').length < DEPTH) continue;
      const { size, mtimeMs } = await stat(join(folder, path));
      const entry = entries.get(name) ?? { bytes: 0, uses: 0, usedAt: 0 };
      if (path === name) entry.usedAt = mtimeMs;
      if (found.isFile()) entry.bytes += size;
      entries.set(name, entry);
    }
    const own = Array.from(entries.values()).reduce((sum, { bytes }) => sum + bytes, 0);
    const { bavail, bsize } = await statfs(folder);
    return { entries, maxBytes: maxBytes ?? Math.floor((bavail * bsize + own) * share) };
  }
}

function once(act: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) act();
    isDone = true;
  };
}
