// The guards of retraining over a folder or the local S3, with a clock that the test sets.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { encode } from 'fast-png';
import { textContent } from '../../functions/adapters/content.ts';
import { DirectoryDataset } from '../../functions/adapters/directory-dataset.ts';
import { DirectoryRepository } from '../../functions/adapters/directory-repository.ts';
import { DiskCache } from '../../functions/adapters/disk-cache.ts';
import { pictureOf } from '../../functions/adapters/image-check.ts';
import { S3Dataset } from '../../functions/adapters/s3-dataset.ts';
import { S3Repository } from '../../functions/adapters/s3-repository.ts';
import { type ModelRepository, WriteConflict } from '../../functions/inference/ports.ts';
import { type Loop, loopOf, type Outside } from '../../functions/retrain/compose.ts';
import type { Dataset } from '../../functions/retrain/datasets.ts';
import { type HeldOut, TarHeldOut } from '../../functions/retrain/held-out.ts';
import { contentOf } from '../../functions/retrain/inspect.ts';
import {
  type ExecutionInput,
  type ExecutionState,
  executionName,
  type Notifier,
  type Starter,
} from '../../functions/retrain/ports.ts';

/** A picture of 8 x 8 pixels that no other seed has. */
export function picture(seed: number, side = 8): Uint8Array {
  const data = new Uint8Array(side * side).map((_, i) => (i * 31 + seed * 7) % 251);
  new DataView(data.buffer).setUint32(0, seed);
  return encode({ width: side, height: side, channels: 1, data });
}

/** So many pictures of each class, all different. */
export function pictures(classes: readonly string[], each: number, seed = 0): Map<string, Uint8Array> {
  return new Map(
    classes.flatMap((name, c) =>
      Array.from({ length: each }, (_, i) => [`${name}/${i}.png`, picture(seed + c * each + i)] as const),
    ),
  );
}

/** Remembers what was started, and never starts one name twice, as Step Functions. */
export class RecordingStarter implements Starter {
  readonly executions = new Map<string, { input: ExecutionInput; state: ExecutionState }>();
  calls = 0;

  async start(input: ExecutionInput): Promise<string> {
    this.calls++;
    const name = executionName(input);
    const key = `${input.model}/${name}`;
    if (!this.executions.has(key)) this.executions.set(key, { input, state: 'running' });
    return name;
  }

  async state(model: string, execution: string): Promise<ExecutionState | undefined> {
    return this.executions.get(`${model}/${execution}`)?.state;
  }

  get started(): ExecutionInput[] {
    return [...this.executions.values()].map(({ input }) => input);
  }
}

export class RecordingNotifier implements Notifier {
  readonly sent: { subject: string; text: string; fields: { readonly [name: string]: string } }[] = [];

  async notify(subject: string, text: string, fields: { readonly [name: string]: string }): Promise<void> {
    this.sent.push({ subject, text, fields });
  }
}

/** A held-out set in memory. */
export class MemoryHeldOut implements HeldOut {
  readonly sets = new Map<string, Map<string, Uint8Array>>();

  async exists(model: string): Promise<boolean> {
    return this.sets.has(model);
  }

  async *samples(model: string): AsyncIterable<{ path: string; label: string; bytes: Uint8Array }> {
    for (const [path, bytes] of this.sets.get(model) ?? []) yield { path, label: path.split('/')[0] ?? '', bytes };
  }

  async create(model: string, files: AsyncIterable<{ readonly path: string; readonly bytes: Uint8Array }>) {
    const made = new Map<string, Uint8Array>();
    for await (const { path, bytes } of files) made.set(path, bytes);
    const found = this.sets.get(model);
    const listed = (set: Map<string, Uint8Array>) => [...set.keys()].sort().join();
    if (found !== undefined && listed(found) !== listed(made)) throw new WriteConflict('another held-out set is there');
    this.sets.set(model, made);
  }
}

export type World = {
  readonly outside: Outside;
  readonly loop: Loop;
  readonly starter: RecordingStarter;
  readonly notifier: RecordingNotifier;
  /** The paths of a model's held-out set, sorted; empty where it has none. */
  heldOut(model: string): Promise<string[]>;
  /** The clock, which stands still. */
  readonly clock: { now: Date; pass(seconds: number): void };
  put(path: string, content: string | Uint8Array): Promise<unknown>;
  putAll(model: string, files: ReadonlyMap<string, string | Uint8Array>): Promise<void>;
  remove(path: string): Promise<unknown>;
  /** A file of the model repository. */
  putModel(path: string, content: string): Promise<void>;
};

export type WorldKind = { readonly name: string; open(): Promise<World> };

export const TRAINING = { quietSeconds: 120, dailyJobs: 3, limits: { minImagesPerClass: 5 } };

/** Folders of the test, which `close` removes; and buckets of an S3 that AWS_ENDPOINT_URL leads to. */
export function worlds(): { kinds: readonly [WorldKind, WorldKind]; close(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-retrain-'));
  let next = 0;
  const openFolder = async (): Promise<World> => {
    const root = join(folder, `${next++}`);
    const repository = (name: string): ModelRepository => {
      mkdirSync(join(root, name), { recursive: true });
      return new DirectoryRepository(join(root, name));
    };
    const write = async (path: string, content: string | Uint8Array) => {
      mkdirSync(dirname(join(root, 'datasets', path)), { recursive: true });
      writeFileSync(join(root, 'datasets', path), content);
    };
    mkdirSync(join(root, 'datasets'), { recursive: true });
    const snapshots = join(root, 'snapshots');
    return world(
      new DirectoryDataset(join(root, 'datasets'), snapshots),
      repository,
      `${snapshots}/`,
      write,
      async (path) => rmSync(join(root, 'datasets', path)),
    );
  };
  const openS3 = async (): Promise<World> => {
    const s3 = new S3Client({ forcePathStyle: true });
    const [data, artifacts] = [`data-${process.pid}-${next}`, `artifacts-${process.pid}-${next++}`];
    for (const Bucket of [data, artifacts]) {
      await s3.send(new CreateBucketCommand({ Bucket }));
      const VersioningConfiguration = { Status: 'Enabled' as const };
      await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
    }
    const repository = (name: string): ModelRepository =>
      new S3Repository(
        { bucket: artifacts, prefix: `${name}/` },
        new DiskCache({ folder: join(folder, data, name), share: 0.5 }),
      );
    const dataset = new S3Dataset({ bucket: data, prefix: 'datasets/' }, { bucket: artifacts, prefix: 'snapshots/' });
    return world(
      dataset,
      repository,
      `s3://${artifacts}/snapshots/`,
      (path, content) =>
        s3.send(new PutObjectCommand({ Bucket: data, Key: `datasets/${path}`, Body: Buffer.from(content) })),
      (path) => s3.send(new DeleteObjectCommand({ Bucket: data, Key: `datasets/${path}` })),
    );
  };
  return {
    kinds: [
      { name: 'folders', open: openFolder },
      { name: 'S3', open: openS3 },
    ],
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}

async function world(
  dataset: Dataset,
  repository: (name: string) => ModelRepository,
  snapshots: string,
  put: (path: string, content: string | Uint8Array) => Promise<unknown>,
  remove: (path: string) => Promise<unknown>,
): Promise<World> {
  const clock = {
    now: new Date(Date.now() + 3_600_000),
    pass(seconds: number): void {
      clock.now = new Date(clock.now.getTime() + seconds * 1_000);
    },
  };
  const [starter, notifier] = [new RecordingStarter(), new RecordingNotifier()];
  const models = repository('models');
  const set = new TarHeldOut(models);
  const outside: Outside = {
    dataset,
    models,
    snapshots: repository('snapshots'),
    ledger: repository('control/ledger'),
    budget: repository('control/budget'),
    heldOut: set,
    starter,
    notifier,
    snapshotAt: (model, id) => `${snapshots}${model}/${id}/`,
    decode: pictureOf,
    content: textContent,
    now: () => clock.now,
  };
  const putModel = async (path: string, content: string): Promise<void> => {
    const [model = '', ...rest] = path.split('/');
    const { tag } = (await models.tagged(model, rest.join('/'))) ?? {};
    await models.replace(model, rest.join('/'), content, tag);
  };
  const putAll = async (model: string, files: ReadonlyMap<string, string | Uint8Array>): Promise<void> => {
    await Promise.all([...files].map(([path, content]) => put(`${model}/${path}`, content)));
  };
  const heldOut = async (model: string): Promise<string[]> =>
    (await set.exists(model)) ? (await Array.fromAsync(set.samples(model))).map(({ path }) => path).sort() : [];
  return { outside, loop: loopOf(outside), starter, notifier, heldOut, clock, put, putAll, remove, putModel };
}

/** The bytes of a file of a data set. */
export async function bytesOf(dataset: Dataset, model: string, path: string): Promise<Uint8Array> {
  const file = (await dataset.list(model)).find((found) => found.path === path);
  if (file === undefined) throw new Error(`${path} is not listed`);
  return (await contentOf(dataset, model, file)).bytes;
}
