// Hundreds of models on memory for twenty, and hundreds in a bucket on disk for a few.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterEach, expect, inject, test } from 'vitest';
import { ALLOCATION } from '../../functions/adapters/session-memory.ts';
import { type ServerProcess, startServer } from '../setup/edges.ts';
import { startLocalAws } from '../setup/local-aws.ts';
import { madeRepository } from '../setup/repository.ts';
import { identityInput, infer } from '../setup/requests.ts';

const MODELS = 300;
const FIT = 20;
const MILLISECONDS = 60_000;
const CLIENTS = 8;

let server: ServerProcess;
afterEach(() => server.close());

/** What a child process has of its own when it has loaded and unloaded models, in bytes. */
const BARE_CHILD = 40e6;

/** Memory of a server and of its children, but for what each child takes without models; in bytes. */
function ownBytes(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
  return [pid, ...children.map(Number)].reduce((sum, each) => {
    const kilobytes = Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${each}/status`, 'utf8'))?.[1] ?? 0);
    return sum + Math.max(0, kilobytes * 1024 - (each === pid ? 0 : BARE_CHILD));
  }, 0);
}

/** Versions below a folder of models, whole or on their way. */
function heldIn(folder: string): number {
  const versions = readdirSync(folder).map((model) => join(folder, model, '1'));
  return versions.reduce((count, version) => count + (existsSync(version) ? readdirSync(version).length : 0), 0);
}

const input = identityInput('FP32', [1, 700], Array(700).fill(0));

test('300 models on memory for 20: any of them answers, memory stays bounded, nothing loads twice at once', {
  timeout: 300_000,
}, async () => {
  const { folder, model, remove } = madeRepository(() => inject('repository'));
  // Two megabytes each: the weights decide, not the session around them.
  for (let i = 0; i < MODELS; i++) model(`m${i}`, 'wide', '');
  const bytes = statSync(join(folder, 'm0/1/model.onnx')).size;
  // As the server itself counts: two processes may hold a copy each, and its own one.
  const each = 2 * (bytes * 1.2 + 512 * 1024) + 3 * (bytes * 1.2 + 512 * 1024);
  const budget = Math.ceil(FIT * each);
  server = await startServer({
    MODEL_REPOSITORY: folder,
    MODEL_MEMORY_BYTES: `${budget}`,
    PRELOAD_MODELS: 'm0',
    ...ALLOCATION,
  });
  const pid = server.process.pid as number;
  for (let i = 0; i < 8; i++) await infer(server, 'm0', input);
  const before = ownBytes(pid);
  const samples: number[] = [];
  const loaded = (): number => server.logged.filter(({ msg }) => msg === 'loaded model').length;
  const unloaded = (): number => server.logged.filter(({ msg }) => msg === 'unloaded model to make room').length;
  const end = Date.now() + MILLISECONDS;
  let answers = 0;
  const isOver = (): boolean => Date.now() >= end && answers > MODELS;
  const client = async (): Promise<void> => {
    while (!isOver()) {
      const name = `m${Math.floor(Math.random() * MODELS)}`;
      const { status, text } = await infer(server, name, input);
      expect([status, status === 200 ? '' : text]).toEqual([200, '']);
      answers++;
    }
  };
  const watch = async (): Promise<void> => {
    while (!isOver()) {
      samples.push(ownBytes(pid));
      expect(loaded() - unloaded()).toBeLessThanOrEqual(FIT);
      await sleep(250);
    }
  };
  await Promise.all([watch(), ...Array.from({ length: CLIENTS }, client)]);
  expect(unloaded()).toBeGreaterThan(FIT);
  expect(Math.max(...samples) - before).toBeLessThan(budget * 1.1);
  // Each model in turn: loaded, unloaded, loaded … and never twice at once.
  const turns = new Map<unknown, string[]>();
  for (const { model: name, msg } of server.logged) {
    if (msg !== 'loaded model' && msg !== 'unloaded model to make room') continue;
    turns.set(name, [...(turns.get(name) ?? []), msg]);
  }
  for (const [name, events] of turns) {
    const expected = events.map((_, i) => (i % 2 === 0 ? 'loaded model' : 'unloaded model to make room'));
    expect(events, `${name}`).toEqual(expected);
  }
  const { text } = await server.call('/v2/repository/index', { method: 'POST' });
  const states = (JSON.parse(text) as { name: string; state?: string }[]).filter(({ state }) => state !== undefined);
  expect(states.length).toBeLessThanOrEqual(FIT);
  expect(turns.get('m0'), 'what is preloaded stays').toEqual(['loaded model']);
  remove();
});

test('300 models in a bucket, on a disk for 20: any of them answers, and the disk never holds more', {
  timeout: 300_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-disk-'));
  const aws = await startLocalAws();
  const s3 = new S3Client({
    forcePathStyle: true,
    endpoint: aws.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
  await s3.send(new CreateBucketCommand({ Bucket: 'many' }));
  const Body = readFileSync(join(inject('repository'), 'wide/1/model.onnx'));
  for (let i = 0; i < MODELS; i++) {
    await s3.send(new PutObjectCommand({ Bucket: 'many', Key: `m${i}/1/model.onnx`, Body }));
  }
  // In memory there is room for all of them: what is loaded keeps its files, and goes to make room for others.
  server = await startServer({
    ...aws.env,
    MODEL_REPOSITORY: 's3://many',
    MODEL_MEMORY_BYTES: `${2 ** 40}`,
    MODEL_CACHE_BYTES: `${FIT * Body.length}`,
    PRELOAD_MODELS: 'm0',
    XDG_CACHE_HOME: folder,
  });
  const cache = join(folder, 'serverless-onnx');
  let left = MODELS;
  const client = async (): Promise<void> => {
    while (left > 0) {
      const name = `m${--left % 2 === 0 ? left : Math.floor(Math.random() * MODELS)}`;
      const { status, text } = await infer(server, name, input);
      expect([status, status === 200 ? '' : text]).toEqual([200, '']);
    }
  };
  const watch = async (): Promise<void> => {
    while (left > 0) {
      // While it is counted each client may change one.
      expect(heldIn(cache)).toBeLessThanOrEqual(FIT + CLIENTS);
      await sleep(50);
    }
  };
  await Promise.all([watch(), ...Array.from({ length: CLIENTS }, client)]);
  expect(heldIn(cache)).toBeLessThanOrEqual(FIT);
  const unloaded = server.logged.filter(({ msg }) => msg === 'unloaded model to make room');
  expect(unloaded.length).toBeGreaterThan(FIT);
  expect(unloaded.map(({ model }) => model)).not.toContain('m0');
  await aws.stop();
  rmSync(folder, { recursive: true });
});
