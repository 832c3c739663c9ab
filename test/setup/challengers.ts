// What training jobs have left (test/models/make_challengers.py), in a repository with the digits.

import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { decodeImage } from '../../functions/adapters/image-file.ts';
import { IsolatedEngine } from '../../functions/adapters/isolated-engine.ts';
import { OrtCompiler } from '../../functions/adapters/onnxruntime-compiler.ts';
import { compileInChild } from '../../functions/adapters/worker-compile.ts';
import { ensureVenv } from '../../functions/cli/venv.ts';
import { ModelLoader } from '../../functions/inference/model-loader.ts';
import type { Log } from '../../functions/inference/ports.ts';
import { Judge } from '../../functions/retrain/judge.ts';
import { openStores, type Stores } from '../../functions/retrain/stores.ts';

const ROOT = join(import.meta.dirname, '../..');
const SILENT: Log = { info() {}, warn() {}, error() {} };
/** Of a few kilobytes as well. */
const COMPILER = new OrtCompiler(compileInChild, 0);

/** A machine that does other things is slow now and then. */
export const GATES = { margin: 0.02, maxLatencyRatio: 4 };
export const DECIDED_AT = '2026-11-25T12:00:00.000Z';

export type Challengers = {
  /** `<name>/output/model/`, as a job leaves it. */
  readonly folder: string;
  readonly loader: ModelLoader;
  /** A new repository of digits, whose live version is the committed one. */
  world(gates?: object): World;
  close(): Promise<void>;
};

export type World = {
  /** models, staging, snapshots and decisions, as prefixes of a bucket. */
  readonly root: string;
  readonly places: { modelRepository: string; staging: string; snapshots: string; decisions: string };
  readonly stores: Stores;
  readonly judge: Judge;
  /** A job has left a challenger. @returns the run */
  trained(challenger: string, job?: string): Run;
};

export type Run = ReturnType<typeof runOf>;

export const SNAPSHOT_ID = '0123456789abcdef';

export async function makeChallengers(): Promise<Challengers> {
  const temporary = mkdtempSync(join(tmpdir(), 'serverless-onnx-challengers-'));
  const folder = join(temporary, 'made');
  const script = [join(ROOT, 'test/models/make_challengers.py'), folder];
  await promisify(execFile)(await ensureVenv(), script);
  const engine = new IsolatedEngine({ processes: 1, maxQueue: 2, loadTimeoutMs: 60_000 }, SILENT);
  const loader = new ModelLoader(engine, SILENT, { defaultMaxBatchSize: 4, maxBatcherQueue: 0 });
  let nextName = 0;
  return {
    folder,
    loader,
    world: (gates = {}) => makeWorld(join(temporary, `world-${nextName++}`), folder, loader, gates),
    async close() {
      await engine.close();
      rmSync(temporary, { recursive: true });
    },
  };
}

function makeWorld(root: string, challengers: string, loader: ModelLoader, gates: object): World {
  const places = {
    modelRepository: join(root, 'models'),
    staging: join(root, 'staging'),
    snapshots: join(root, 'snapshots'),
    decisions: join(root, 'decisions'),
  };
  cpSync(join(ROOT, 'model-artifacts/digits'), join(root, 'models/digits'), { recursive: true });
  writeFileSync(join(root, 'models/digits/training.json'), JSON.stringify({ gates: { ...GATES, ...gates } }));
  mkdirSync(join(root, 'snapshots/digits', SNAPSHOT_ID), { recursive: true });
  const manifest = JSON.stringify({
    model: 'digits',
    id: SNAPSHOT_ID,
    files: [{ path: '0/a.png' }, { path: '1/b.png' }],
  });
  writeFileSync(join(root, 'snapshots/digits', SNAPSHOT_ID, 'manifest.json'), manifest);
  const stores = openStores(places, join(root, 'cache'));
  const now = (): Date => new Date(DECIDED_AT);
  return {
    root,
    places,
    stores,
    judge: new Judge({ ...stores, loader, compiler: COMPILER, told() {}, decode: decodeImage, now }),
    trained(challenger, job = challenger.replaceAll('_', '-')) {
      cpSync(join(challengers, challenger), join(root, 'staging/digits', job), { recursive: true });
      return runOf(job);
    },
  };
}

function runOf(job: string) {
  return {
    model: 'digits',
    id: SNAPSHOT_ID,
    snapshot: `s3://a-bucket/snapshots/digits/${SNAPSHOT_ID}/`,
    execution: SNAPSHOT_ID,
    job,
    image: '111122223333.dkr.ecr.eu-west-1.amazonaws.com/pytorch@sha256:0123',
    code: 'code/abc',
  };
}
