// Compiled models: made by publishing, mapped in place, and never used where they could be wrong.

import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { fileContent, textContent } from '../../functions/adapters/content.ts';
import { DirectoryRepository } from '../../functions/adapters/directory-repository.ts';
import { DiskCache } from '../../functions/adapters/disk-cache.ts';
import { IsolatedEngine } from '../../functions/adapters/isolated-engine.ts';
import { OrtSession } from '../../functions/adapters/onnxruntime.ts';
import { S3Repository } from '../../functions/adapters/s3-repository.ts';
import { ensureVenv } from '../../functions/cli/venv.ts';
import type { CompiledManifest } from '../../functions/inference/compiled.ts';
import { ModelLoader, type ServedModel } from '../../functions/inference/model-loader.ts';
import {
  type Content,
  type Engine,
  type Fetched,
  type Log,
  ModelRejected,
  type ModelRepository,
} from '../../functions/inference/ports.ts';
import { Publisher } from '../../functions/inference/publisher.ts';
import { parseRelease, publishedFiles } from '../../functions/inference/release.ts';
import type { Tensor } from '../../functions/protocol/tensor.ts';
import { EDGES } from '../setup/edges.ts';
import { type LocalAws, startLocalAws } from '../setup/local-aws.ts';

const ROOT = join(import.meta.dirname, '../..');
const SILENT: Log = { info() {}, warn() {}, error() {} };
const BUCKET = 'compiled-models';
const MODEL = 'convolutional';
const run = promisify(execFile);

const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-compiled-'));
/** As `npm run models -- publish` has left it. */
const published = join(folder, 'published', MODEL);
const compiledFile = join(published, '1/compiled/model.ort');
let engine: IsolatedEngine;
let loader: ModelLoader;
beforeAll(async () => {
  const file = join(folder, 'model.onnx');
  await run(await ensureVenv(), [join(ROOT, 'test/models/make_convolutional.py'), file]);
  mkdirSync(join(folder, 'published'));
  const command = [
    join(ROOT, 'functions/cli/models.ts'),
    'publish',
    file,
    '--as',
    MODEL,
    '-r',
    join(folder, 'published'),
  ];
  const { stderr } = await run(process.execPath, command);
  expect(stderr).toContain('compiled for ONNX Runtime 1.30.0 on ');
  engine = new IsolatedEngine({ processes: 1, maxQueue: 4, loadTimeoutMs: 60_000 }, SILENT);
  loader = new ModelLoader(engine, SILENT, { defaultMaxBatchSize: 4, maxBatcherQueue: 0 });
}, 180_000);
afterAll(async () => {
  await engine.close();
  rmSync(folder, { recursive: true });
});

const pixels: Tensor = {
  name: 'pixels',
  datatype: 'FP32',
  shape: [1, 16, 32, 32],
  data: new Float32Array(16 * 32 * 32).map((_, i) => Math.sin(i)),
};
const manifest = (): CompiledManifest => JSON.parse(readFileSync(join(published, '1/compiled/manifest.json'), 'utf8'));
const scoresOf = async ({ loaded }: Pick<ServedModel, 'loaded'>): Promise<Float32Array> =>
  (await loaded.run([pixels], ['scores'], performance.now() + 60_000)).outputs[0]?.data as Float32Array;

/** Loads a version as the server does: with what release.json says of its files. */
async function load(
  repository: ModelRepository,
  version = '1',
  config = {},
  by = loader,
): Promise<ServedModel & { path: string }> {
  const { text = '' } = (await repository.tagged(MODEL, 'release.json')) ?? {};
  let path = '';
  const source = {
    read: repository.read.bind(repository),
    async fetch(...asked: Parameters<ModelRepository['fetch']>): Promise<Fetched> {
      const found = await repository.fetch(...asked);
      path = found.path;
      return found;
    },
  };
  const served = await by.load(source, { model: MODEL, version }, config, publishedFiles(parseRelease(text), version));
  return { ...served, path };
}

function expectSame(found: ArrayLike<number>, expected: ArrayLike<number>): void {
  expect(found.length).toBe(expected.length);
  const largest = Array.from(found, (value, i) => Math.abs(value - (expected[i] ?? Number.NaN))).reduce((a, b) =>
    Math.max(a, b),
  );
  expect(largest).toBeLessThan(1e-4);
}

let plainScores: Float32Array;
test('a compiled model answers as its plain file does', async () => {
  const plain = await OrtSession.load(join(published, '1/model.onnx'), {}, 1);
  const compiled = await OrtSession.load(compiledFile, {}, 1);
  const [expected] = await plain.run([pixels], ['scores']);
  const [found] = await compiled.run([pixels], ['scores']);
  plainScores = expected?.data as Float32Array;
  expectSame(found?.data as Float32Array, plainScores);
  expect([compiled.inputs, compiled.outputs]).toEqual([plain.inputs, plain.outputs]);
  await plain.release();
  await compiled.release();
});

test('its manifest says what it was made from, and for; the layout of convolutions depends on the processor', async () => {
  const { sources, sha256, bytes, simd, ...rest } = manifest();
  const release = parseRelease(readFileSync(join(published, 'release.json'), 'utf8'));
  const hashes = publishedFiles(release, '1') ?? {};
  expect([sources, sha256]).toEqual([[hashes['model.onnx']], hashes['compiled/model.ort']]);
  expect(hashes['compiled/manifest.json']).toBeDefined();
  expect(bytes).toBe((await fileContent(compiledFile)).size);
  expect(rest).toEqual({ runtime: '1.30.0', architecture: process.arch, optimization: 0, prepacking: true });
  expect(simd).toBe(engine.target.simd);
});

test.runIf(process.platform === 'linux')(
  'is mapped in place: a second process needs little memory of its own',
  async () => {
    const session = await OrtSession.load(compiledFile, {}, 1);
    const { size } = await fileContent(compiledFile);
    const mapped = readFileSync('/proc/self/smaps', 'utf8')
      .split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)
      .filter((entry) => entry.includes('compiled/model.ort'))
      .map((entry) => Number(/^Size: +(\d+)/m.exec(entry)?.[1]) * 1024);
    expect(mapped.reduce((sum, bytes) => sum + bytes, 0)).toBeGreaterThanOrEqual(size);
    await session.run([pixels], ['scores']);
    const script = [join(ROOT, 'test/setup/private-memory.ts'), compiledFile];
    const { stdout } = await run(process.execPath, script);
    expect(Number(stdout)).toBeLessThan(0.4 * size);
    await session.release();
  },
);

/** Publishes the compiled model with some files changed, as the next version. */
async function publishChanged(
  repository: ModelRepository,
  changed: { readonly [path: string]: Content },
): Promise<string> {
  const files = new Map<string, Content>();
  for (const path of ['model.onnx', 'golden.json', 'compiled/model.ort', 'compiled/manifest.json']) {
    files.set(path, changed[path] ?? (await fileContent(join(published, '1', path))));
  }
  const publisher = new Publisher(repository, () => ({ at: new Date().toISOString(), by: 'ada' }));
  return (await publisher.publish(MODEL, { modelFile: 'model.onnx', files, modelFiles: new Map() })).version;
}

const changedManifest = (change: Partial<CompiledManifest>) => ({
  'compiled/manifest.json': textContent(JSON.stringify({ ...manifest(), ...change })),
});
const nonsense = textContent('this is no model');
const goldenOfOthers = (): Content => {
  const golden = JSON.parse(readFileSync(join(published, '1/golden.json'), 'utf8'));
  golden.response.outputs[0].data[7] += 1;
  return textContent(JSON.stringify(golden));
};

const MISMATCHES: {
  reason: string;
  files: () => Promise<{ [path: string]: Content }> | { [path: string]: Content };
}[] = [
  { reason: 'manifest', files: () => ({ 'compiled/manifest.json': nonsense }) },
  { reason: 'manifest', files: () => changedManifest({ prepacking: 'no' as never }) },
  { reason: 'runtime', files: () => changedManifest({ runtime: '1.29.0' }) },
  { reason: 'architecture', files: () => changedManifest({ architecture: 'riscv64' }) },
  { reason: 'simd', files: () => changedManifest({ simd: 'another' }) },
  { reason: 'optimization', files: () => changedManifest({ optimization: 1 }) },
  { reason: 'source', files: () => changedManifest({ sources: ['0'.repeat(64)] }) },
  { reason: 'file', files: () => changedManifest({ sha256: '0'.repeat(64) }) },
  {
    reason: 'load',
    files: async () => ({ ...changedManifest({ sha256: await nonsense.sha256() }), 'compiled/model.ort': nonsense }),
  },
  { reason: 'golden', files: () => ({ 'golden.json': goldenOfOthers() }) },
];

let aws: LocalAws;
beforeAll(async () => {
  aws = await startLocalAws();
  for (const [name, value] of Object.entries(aws.env)) vi.stubEnv(name, value);
  await new S3Client({ forcePathStyle: true }).send(new CreateBucketCommand({ Bucket: BUCKET }));
}, 90_000);
afterAll(async () => {
  await aws.stop();
  vi.unstubAllEnvs();
});

const KINDS = [
  {
    name: 'a folder',
    async open(): Promise<ModelRepository> {
      const root = mkdtempSync(join(folder, 'repository-'));
      cpSync(published, join(root, MODEL), { recursive: true });
      return new DirectoryRepository(root);
    },
  },
  {
    name: 'S3',
    async open(): Promise<ModelRepository> {
      const cache = new DiskCache({ folder: join(folder, 'cache'), share: 0.5 });
      const repository = new S3Repository({ bucket: BUCKET, prefix: 'models/' }, cache);
      await publishChanged(repository, {});
      return repository;
    },
  },
];

describe.each(KINDS)('a version with a compiled file, in $name', { timeout: 120_000 }, ({ name, open }) => {
  let repository: ModelRepository;
  beforeAll(async () => {
    repository = await open();
  });

  test('is loaded from it, and from nothing else', async () => {
    const served = await load(repository);
    expect(served.path).toMatch(/compiled\/model\.ort$/);
    expect(served.compiledUnused).toBeUndefined();
    expectSame(await scoresOf(served), plainScores);
    const { path, bytes, done } = await repository.fetch(MODEL, '1', 'compiled/model.ort');
    expect(bytes).toBe(manifest().bytes + (await fileContent(join(published, '1/compiled/manifest.json'))).size);
    if (name === 'S3') await expect(fileContent(join(path, '../../model.onnx'))).rejects.toThrow('ENOENT');
    done();
    await served.unload();
  });

  test('that was not published is loaded from its plain file', async () => {
    const served = await loader.load(repository, { model: MODEL, version: '1' }, {});
    expect(served.compiledUnused).toBeUndefined();
    expectSame(await scoresOf(served), plainScores);
    await served.unload();
  });

  // What a store has to do with it is the same for the others.
  const cases = name === 'S3' ? MISMATCHES.filter(({ reason }) => /file|load|golden/.test(reason)) : MISMATCHES;
  test.each(cases)('is loaded from its plain file where the other has a wrong $reason', async ({ reason, files }) => {
    const version = await publishChanged(repository, await files());
    const served = await load(repository, version);
    expect([served.compiledUnused, served.path]).toEqual([reason, expect.stringMatching(/\/model\.onnx$/)]);
    expectSame(await scoresOf(served), plainScores);
    await served.unload();
  });
});

test('a file that was cut off since is not even opened', async () => {
  const root = mkdtempSync(join(folder, 'cut-'));
  cpSync(published, join(root, MODEL), { recursive: true });
  truncateSync(join(root, MODEL, '1/compiled/model.ort'), 4_000_000);
  const served = await load(new DirectoryRepository(root));
  expect(served.compiledUnused).toBe('file');
  expectSame(await scoresOf(served), plainScores);
  await served.unload();
});

test.each([
  ['cut off', (bytes: Buffer) => bytes.subarray(0, 5_000)],
  ['empty', () => Buffer.alloc(0)],
  ['text', () => Buffer.from('this is no model')],
])(
  'where nothing stands before the process, as on Lambda, one that is %s is refused and nothing more',
  async (_, damage) => {
    const file = join(mkdtempSync(join(folder, 'damaged-')), 'model.ort');
    writeFileSync(file, damage(readFileSync(compiledFile)));
    await expect(OrtSession.load(file, {}, 1)).rejects.toBeInstanceOf(ModelRejected);
  },
);

describe('prepacking is as config.pbtxt says, or else the manifest', () => {
  const watched: { disabled: string | undefined; isShared: boolean }[] = [];
  let repository: ModelRepository;
  let telling: ModelLoader;
  beforeAll(() => {
    const root = mkdtempSync(join(folder, 'packed-'));
    cpSync(published, join(root, MODEL), { recursive: true });
    repository = new DirectoryRepository(root);
    let isShared = false;
    const watching: Engine = {
      target: engine.target,
      async load(id, path, given) {
        watched.push({ disabled: given.parameters?.['session.disable_prepacking']?.string_value, isShared });
        return engine.load(id, path, given);
      },
      close: async () => {},
      memoryOf(bytes, found = false) {
        isShared = found;
        return engine.memoryOf(bytes, found);
      },
    };
    telling = new ModelLoader(watching, SILENT, { defaultMaxBatchSize: 4, maxBatcherQueue: 0 });
  });

  // Without it all processes have the weights in common, and the memory is told so.
  test.each([
    { says: 'yes', prepacking: true, expected: [undefined, '0', '1'] },
    { says: 'no', prepacking: false, expected: ['1', '0', '1'] },
    { says: 'nothing, as older ones do,', prepacking: undefined, expected: [undefined, '0', '1'] },
  ])('a manifest that says $says', async ({ prepacking, expected }) => {
    const version = await publishChanged(repository, changedManifest({ prepacking } as Partial<CompiledManifest>));
    watched.length = 0;
    for (const setting of [undefined, '0', '1']) {
      const parameters = setting && { 'session.disable_prepacking': { string_value: setting } };
      const config = parameters ? { parameters } : {};
      const served = await load(repository, version, config, telling);
      expect(served.compiledUnused).toBeUndefined();
      expect(served.serving.config.parameters).toEqual(config.parameters);
      expectSame(await scoresOf(served), plainScores);
      await served.unload();
    }
    expect(watched).toEqual(expected.map((disabled) => ({ disabled, isShared: disabled === '1' })));
  });

  test('a plain file is always loaded as config.pbtxt says', async () => {
    const version = await publishChanged(repository, changedManifest({ prepacking: false, runtime: '1.29.0' }));
    watched.length = 0;
    const served = await load(repository, version, {}, telling);
    await served.unload();
    expect([served.compiledUnused, watched]).toEqual(['runtime', [{ disabled: undefined, isShared: false }]]);
  });

  test('memory that is common is counted once', async () => {
    const many = new IsolatedEngine({ processes: 4, maxQueue: 1, loadTimeoutMs: 60_000 }, SILENT);
    expect(many.memoryOf(100e6, true)).toBeLessThan(0.3 * many.memoryOf(100e6));
    await many.close();
  });
});

describe.each(EDGES)('by $name', ({ name, open }) => {
  test('a version whose compiled file is of another machine answers, and a metric says so', {
    timeout: 60_000,
  }, async () => {
    const root = mkdtempSync(join(folder, 'edge-'));
    const repository = new DirectoryRepository(root);
    mkdirSync(join(root, MODEL));
    await publishChanged(repository, changedManifest({ architecture: 'riscv64' }));
    const client = await open({ MODEL_REPOSITORY: root, PRELOAD_MODELS: MODEL });
    try {
      const body = JSON.stringify({ inputs: [{ ...pixels, data: Array.from(pixels.data as Float32Array) }] });
      const { status, text } = await client.call(`/v2/models/${MODEL}/infer`, { body });
      expect(status).toBe(200);
      expectSame(JSON.parse(text).outputs[0].data, plainScores);
      const reasons =
        name === 'Lambda events'
          ? client.logged.filter(({ CompiledModelUnused }) => CompiledModelUnused === 1).map(({ reason }) => reason)
          : [
              ...(await client.call('/metrics')).text.matchAll(
                /compiled_unused_total\{model="convolutional",reason="(\w+)"\} 1$/gm,
              ),
            ].map(([, reason]) => reason);
      expect(reasons).toEqual(['architecture']);
    } finally {
      await client.close();
    }
  });
});
