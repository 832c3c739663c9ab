import { hostname } from 'node:os';
import { DirectoryRepository } from '../../adapters/directory-repository.ts';
import { WriteConflict } from '../../inference/ports.ts';

/** Whoever holds it, and when that was last known. */
type Holder = { readonly pid: number; readonly host: string; readonly at: string };

/** Somebody else watches the folder, or does so by now; the message is a sentence. */
export class AlreadyWatched extends Error {}

const HEARTBEAT_MS = 10_000;
/** Longer than any pause of a process that lives. */
const STALE_MS = 60_000;
const [NAME, FILE] = ['watch', 'holder.json'];

/** One process trains what is in a folder. The lock of a process that was killed is taken over. */
export class Lock {
  readonly #repository: DirectoryRepository;
  #tag: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #beat: Promise<void> = Promise.resolve();

  constructor(folder: string) {
    this.#repository = new DirectoryRepository(folder);
  }

  /** Who holds it; undefined where nobody does. */
  async holder(): Promise<Holder | undefined> {
    const found = await this.#repository.tagged(NAME, FILE);
    const holder = found && (JSON.parse(found.text) as Partial<Holder>);
    return holder?.pid !== undefined && isAlive(holder as Holder) ? (holder as Holder) : undefined;
  }

  /**
   * @param onLost is told where somebody else has taken it, as this process did nothing for long
   * @throws AlreadyWatched
   */
  async take(onLost: (error: Error) => void): Promise<void> {
    this.#tag = (await this.#repository.tagged(NAME, FILE))?.tag;
    const holder = await this.holder();
    if (holder !== undefined) throw watchedBy(holder);
    await this.#write({ pid: process.pid, host: hostname(), at: new Date().toISOString() });
    this.#timer = setInterval(() => {
      this.#beat = this.#beat
        .then(() => this.#write({ pid: process.pid, host: hostname(), at: new Date().toISOString() }))
        .catch((error: Error) => {
          clearInterval(this.#timer);
          onLost(error);
        });
    }, HEARTBEAT_MS);
  }

  async release(): Promise<void> {
    clearInterval(this.#timer);
    await this.#beat;
    // Where it was lost it is another one's.
    await this.#write({}).catch(() => {});
  }

  async #write(holder: Holder | object): Promise<void> {
    try {
      await this.#repository.replace(NAME, FILE, `${JSON.stringify(holder)}\n`, this.#tag);
    } catch (error) {
      const other = error instanceof WriteConflict ? await this.holder() : undefined;
      if (other !== undefined) throw watchedBy(other);
      throw error;
    }
    this.#tag = (await this.#repository.tagged(NAME, FILE))?.tag;
  }
}

function isAlive({ pid, host, at }: Holder): boolean {
  if (Date.now() - Date.parse(at) > STALE_MS) return false;
  if (host !== hostname()) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function watchedBy({ pid, host }: Holder): AlreadyWatched {
  return new AlreadyWatched(`process ${pid} on ${host} watches this folder; expected one at a time, or another --work`);
}
