// The guards of retraining in memory, where a test decides in which order the steps of several processes happen, and which process is killed
// at which step.

import { createHash } from 'node:crypto';
import { contentOf, textContent } from '../../functions/adapters/content.ts';
import { pictureOf } from '../../functions/adapters/image-check.ts';
import {
  type Content,
  type Fetched,
  type ModelRepository,
  type StoredModel,
  type TaggedText,
  WriteConflict,
} from '../../functions/inference/ports.ts';
import { type Loop, loopOf, type Outside } from '../../functions/retrain/compose.ts';
import { DataChanged, type DataFile, type Dataset } from '../../functions/retrain/datasets.ts';
import { MemoryHeldOut, picture, pictures, RecordingNotifier, RecordingStarter, TRAINING } from './retraining.ts';

const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

/** A model repository without files on disk: what the guards use of it, as S3 does it. */
export class MemoryRepository implements ModelRepository {
  readonly objects = new Map<string, Uint8Array>();

  async models(): Promise<readonly string[]> {
    return [...new Set([...this.objects.keys()].map((key) => key.split('/')[0] ?? ''))].sort();
  }

  async find(model: string): Promise<StoredModel> {
    const versions = [...this.objects.keys()].flatMap((key) => key.match(`^${model}/(\\d+)/model.onnx$`)?.[1] ?? []);
    return { config: {}, versions };
  }

  fetch(): Promise<Fetched> {
    throw new Error('nothing is loaded here');
  }

  async read(model: string, path: string): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(this.objects.get(`${model}/${path}`) ?? []);
  }

  readUpTo(): Promise<undefined> {
    throw new Error('nobody looks here');
  }

  names(): Promise<readonly string[]> {
    throw new Error('nobody looks here');
  }

  async files(model: string): Promise<ReadonlyMap<string, Content>> {
    const own = [...this.objects].filter(([key]) => key.startsWith(`${model}/`));
    return new Map(
      own.map(([key, bytes]) => {
        const chunks = async function* () {
          yield bytes;
        };
        return [key.slice(model.length + 1), contentOf(bytes.length, chunks)];
      }),
    );
  }

  async create(model: string, path: string, content: Content): Promise<void> {
    const bytes = Buffer.concat(await Array.fromAsync(content.open()));
    const found = this.objects.get(`${model}/${path}`);
    if (found !== undefined && sha256(found) !== sha256(bytes)) throw new WriteConflict(`${path} has other bytes`);
    this.objects.set(`${model}/${path}`, bytes);
  }

  async tagged(model: string, path: string): Promise<TaggedText | undefined> {
    const found = this.objects.get(`${model}/${path}`);
    return found && { text: Buffer.from(found).toString(), tag: sha256(found) };
  }

  async replace(model: string, path: string, text: string, tag: string | undefined): Promise<void> {
    const found = this.objects.get(`${model}/${path}`);
    if ((found && sha256(found)) !== tag) throw new WriteConflict(`${path} was changed`);
    this.objects.set(`${model}/${path}`, Buffer.from(text));
  }
}

class MemoryDataset implements Dataset {
  readonly files = new Map<string, { bytes: Uint8Array; modified: number }>();
  readonly #snapshots: MemoryRepository;

  constructor(snapshots: MemoryRepository) {
    this.#snapshots = snapshots;
  }

  async models(): Promise<readonly string[]> {
    return this.files.size === 0 ? [] : ['m'];
  }

  async list(): Promise<readonly DataFile[]> {
    return [...this.files]
      .map(([path, { bytes, modified }]) => ({ path, size: bytes.length, etag: sha256(bytes), modified }))
      .sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  async *read(_model: string, { path, etag }: DataFile): AsyncIterable<Uint8Array> {
    const bytes = this.files.get(path)?.bytes;
    if (bytes === undefined || sha256(bytes) !== etag) throw new DataChanged(`${path} was changed`);
    yield bytes;
  }

  async copy(model: string, file: DataFile, expected: string, snapshot: string): Promise<void> {
    for await (const bytes of this.read(model, file)) {
      if (sha256(bytes) !== expected) throw new DataChanged(`${file.path} was changed`);
      this.#snapshots.objects.set(`${model}/${snapshot}/${file.path}`, bytes);
    }
  }
}

/** A process that was killed: nothing that it does afterwards happens. */
export class Killed extends Error {}

/** At which step that changes something a process is killed, and whether that step has happened. */
export type Kill = { readonly step: number; readonly afterwards: boolean };

/** The methods that change something outside. */
const WRITES = ['create', 'replace', 'copy', 'start', 'notify'];

export class MemoryWorld {
  readonly starter = new RecordingStarter();
  readonly notifier = new RecordingNotifier();
  readonly heldOut = new MemoryHeldOut();
  readonly models = new MemoryRepository();
  readonly snapshots = new MemoryRepository();
  readonly ledger = new MemoryRepository();
  readonly budget = new MemoryRepository();
  readonly dataset = new MemoryDataset(this.snapshots);
  now = Date.parse('2026-11-25T08:00:00Z');

  constructor(dailyJobs = 3) {
    this.models.objects.set('m/1/model.onnx', Buffer.from('a model'));
    this.models.objects.set('m/labels.txt', Buffer.from('cat\ndog\n'));
    this.models.objects.set('m/training.json', Buffer.from(JSON.stringify({ ...TRAINING, dailyJobs })));
    this.heldOut.sets.set('m', new Map([['cat/held.png', picture(9_999)]]));
  }

  /** Puts one of many uploads in the place of what is there. Quiet is not waited for here. */
  upload(seed: number): void {
    this.dataset.files.clear();
    for (const [path, bytes] of pictures(['cat', 'dog'], 5, 100 * (seed + 1))) {
      this.dataset.files.set(path, { bytes, modified: 0 });
    }
  }

  /**
   * The guards as one process has them.
   * @param turn waits until it is this process's turn to do the next step
   */
  process(turn: () => Promise<unknown> = () => Promise.resolve(), kill?: Kill): { loop: Loop; steps: () => number } {
    let steps = 0;
    let isKilled = false;
    const guarded = <T extends object>(target: T): T =>
      new Proxy(target, {
        get: (_, name) => {
          const member: unknown = Reflect.get(target, name, target);
          if (typeof member !== 'function' || name === 'read' || name === 'samples') return member;
          return async (...given: unknown[]) => {
            await turn();
            const isDue = WRITES.includes(String(name)) && steps++ === kill?.step;
            if (isKilled || (isDue && !kill?.afterwards)) {
              isKilled = true;
              throw new Killed();
            }
            const result: unknown = await member.apply(target, given);
            if (isDue) isKilled = true;
            if (isKilled) throw new Killed();
            return result;
          };
        },
      });
    const outside: Outside = {
      dataset: guarded(this.dataset),
      models: guarded(this.models),
      snapshots: guarded(this.snapshots),
      ledger: guarded(this.ledger),
      budget: guarded(this.budget),
      heldOut: guarded(this.heldOut),
      starter: guarded(this.starter),
      notifier: guarded(this.notifier),
      snapshotAt: (model, id) => `${model}/${id}/`,
      decode: pictureOf,
      content: textContent,
      // Two moments are never the same.
      now: () => new Date(this.now++),
    };
    return { loop: loopOf(outside), steps: () => steps };
  }
}

/** Lets a process be killed; whatever else goes wrong goes on. */
export async function untilKilled(work: Promise<unknown>): Promise<void> {
  await work.catch((error: unknown) => {
    const errors: unknown[] = error instanceof AggregateError ? error.errors : [error];
    if (!errors.every((each) => each instanceof Killed)) throw error;
  });
}
