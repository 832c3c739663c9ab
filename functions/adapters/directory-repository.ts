import { link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Content, type ModelRepository, type TaggedText, WriteConflict } from '../inference/ports.ts';
import { fileContent, textContent } from './content.ts';
import { DirectoryStore, nothingThere } from './directory-store.ts';

/** What is not there under its own name yet. Leftovers of processes that were killed are removed by later writers. */
const UNFINISHED = '.unfinished-';
/** Nobody writes for so long. */
const LEFTOVER_MS = 24 * 3_600_000;
/** Between a claim and its end lie microseconds; the owner of one this old was killed. */
const CLAIM_MS = 1_000;
const CLAIM_POLL_MS = 50;

/**
 * A model repository in a folder, which any number of processes may write to. Nothing appears half-written: a file is
 * written under another name first, and a hard link, of which the file system makes only one, gives it its own.
 */
export class DirectoryRepository extends DirectoryStore implements ModelRepository {
  async files(model: string): Promise<ReadonlyMap<string, Content>> {
    const folder = join(this.root, model);
    const entries = (await readdir(folder, { recursive: true, withFileTypes: true }).catch(nothingThere)) ?? [];
    const paths = entries
      .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
      .sort();
    return new Map(
      await Promise.all(paths.map(async (path) => [path, await fileContent(join(folder, path))] as const)),
    );
  }

  async create(model: string, path: string, content: Content): Promise<void> {
    const target = join(this.root, model, path);
    await mkdir(dirname(target), { recursive: true });
    await this.#withWritten(model, content.open(), async (unfinished) => {
      if (await linked(unfinished, target)) return;
      if ((await (await fileContent(target)).sha256()) === (await content.sha256())) return;
      throw new WriteConflict(`${model}/${path} exists with other bytes`);
    });
  }

  async tagged(model: string, path: string): Promise<TaggedText | undefined> {
    const text = await readFile(join(this.root, model, path), 'utf8').catch(nothingThere);
    return text === undefined ? undefined : { text, tag: await textContent(text).sha256() };
  }

  async replace(model: string, path: string, text: string, tag: string | undefined): Promise<void> {
    const target = join(this.root, model, path);
    const conflict = new WriteConflict(`${model}/${path} was changed by somebody else`);
    await mkdir(dirname(target), { recursive: true });
    const chunks = async function* () {
      yield Buffer.from(text);
    };
    await this.#withWritten(model, chunks(), async (unfinished) => {
      if (tag === undefined) {
        if (!(await linked(unfinished, target))) throw conflict;
        return;
      }
      // Of all who found the same state, one gets the claim on what follows it; the file becomes it by a rename.
      const claim = `${dirname(target)}/${UNFINISHED}after-${tag}`;
      const isTaken = !(await linked(unfinished, claim));
      while ((await this.tagged(model, path))?.tag === tag) {
        const since = await stat(claim).catch(nothingThere);
        // Who was killed after its claim is helped to the end that others may have seen coming.
        const isDue = !isTaken || (since !== undefined && Date.now() - since.ctimeMs > CLAIM_MS);
        if (isDue) await rename(claim, target).catch(nothingThere);
        if (!isTaken) return;
        await sleep(CLAIM_POLL_MS);
      }
      if (!isTaken) await rm(claim, { force: true });
      throw conflict;
    });
  }

  /** Writes to a file of another name, which is gone afterwards. */
  async #withWritten(
    model: string,
    chunks: AsyncIterable<Uint8Array>,
    use: (path: string) => Promise<void>,
  ): Promise<void> {
    const folder = join(this.root, model);
    for (const name of (await readdir(folder)).filter((name) => name.startsWith(UNFINISHED))) {
      const found = await stat(join(folder, name)).catch(nothingThere);
      if (found !== undefined && Date.now() - found.mtimeMs > LEFTOVER_MS)
        await rm(join(folder, name), { force: true });
    }
    const { randomUUID } = await import('node:crypto');
    const unfinished = join(folder, `${UNFINISHED}${randomUUID({ disableEntropyCache: true })}`);
    try {
      const file = await open(unfinished, 'wx');
      try {
        for await (const chunk of chunks) await file.writeFile(chunk);
        // A name must not survive a power failure that the bytes do not.
        await file.sync();
      } finally {
        await file.close();
      }
      await use(unfinished);
    } finally {
      await rm(unfinished, { force: true });
    }
  }
}

/** @returns false where the target exists */
async function linked(path: string, target: string): Promise<boolean> {
  try {
    await link(path, target);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
