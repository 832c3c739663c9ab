import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { VersionSource } from '../../functions/inference/model-loader.ts';
import type { ModelRepository } from '../../functions/inference/ports.ts';
import { Publisher } from '../../functions/inference/publisher.ts';
import { parseRelease, publishedFiles, type Release } from '../../functions/inference/release.ts';
import { explain } from '../../functions/retrain/explain.ts';
import { Promoter } from '../../functions/retrain/promote.ts';
import { openStores, type Stores } from '../../functions/retrain/stores.ts';
import { bundle, bundleInParts } from '../../infra/images/bundle.ts';
import { type Challengers, makeChallengers, type Run, SNAPSHOT_ID, type World } from '../setup/challengers.ts';
import { type LocalAws, startLocalAws } from '../setup/local-aws.ts';

const ROOT = join(import.meta.dirname, '../..');
const BUCKET = 'a-bucket';
let challengers: Challengers;
/** The judge has let the job `good` through here. */
let judged: World;
let aws: LocalAws;
let s3: S3Client;
beforeAll(async () => {
  challengers = await makeChallengers();
  judged = challengers.world();
  await judged.judge.judge(judged.trained('good'));
  aws = await startLocalAws();
  for (const [name, value] of Object.entries(aws.env)) vi.stubEnv(name, value);
  s3 = new S3Client({ forcePathStyle: true });
  await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
}, 180_000);
afterAll(async () => {
  await challengers.close();
  await aws.stop();
  vi.unstubAllEnvs();
});

const now = (): Date => new Date();
const author = () => ({ at: now().toISOString(), by: 'ada' });
const publisher = (models: ModelRepository): Publisher => new Publisher(models, author);
const releaseOf = async (models: ModelRepository): Promise<Release> =>
  parseRelease((await models.tagged('digits', 'release.json'))?.text ?? '');
const actions = ({ history = [] }: Release): string =>
  history.map(({ action, version }) => `${action} ${version}`).join(', ');

/** Puts a file of the repository under test in place of another one. */
type Place = { stores: Stores; put: (path: string, text: string) => Promise<unknown> };
let nextName = 0;
const KINDS = [
  {
    name: 'a folder',
    open: async ({ root, stores }: World): Promise<Place> => ({
      stores,
      put: async (path, text) => writeFileSync(join(root, path), text),
    }),
  },
  {
    name: 'S3',
    async open({ root }: World): Promise<Place> {
      const prefix = `world-${nextName++}`;
      const put = (path: string, Body: string | Uint8Array) =>
        s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: `${prefix}/${path}`, Body }));
      for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
        const path = join(entry.parentPath, entry.name);
        if (entry.isFile()) await put(relative(root, path), readFileSync(path));
      }
      const at = (name: string): string => `s3://${BUCKET}/${prefix}/${name}`;
      const places = {
        modelRepository: at('models'),
        staging: at('staging'),
        snapshots: at('snapshots'),
        decisions: at('decisions'),
      };
      return { stores: openStores(places, join(root, 'cache')), put };
    },
  },
];

describe.each(KINDS)('promotion on $name', { timeout: 60_000 }, ({ open }) => {
  let run: Run;
  let stores: Stores;
  let put: Place['put'];
  let promoter: Promoter;
  beforeEach(async () => {
    const world = challengers.world();
    run = world.trained('good');
    cpSync(join(judged.root, 'decisions'), join(world.root, 'decisions'), { recursive: true });
    ({ stores, put } = await open(world));
    promoter = new Promoter({ ...stores, now });
  });

  test('makes the next version, with its papers, and makes it live', async () => {
    expect(await promoter.promote(run)).toEqual({ version: '2', outcome: 'promoted', text: 'version 2 is live' });
    const release = await releaseOf(stores.models);
    expect([release.live, actions(release)]).toEqual(['2', 'adopt 1, publish 2, promote 2']);
    const [, published, promoted] = release.history ?? [];
    expect(published).toMatchObject({ by: 'retraining', run: 'good', metrics: { accuracy: 0.99 } });
    expect(promoted?.reason).toBe('job good: accuracy 0.9972, +0.0000 to the one before');
    const files = await stores.models.files('digits');
    const own = [...files.keys()].filter((path) => path.startsWith('2/'));
    const names = [
      'compiled/manifest.json',
      'compiled/model.ort',
      'decision.json',
      'golden.json',
      'lineage.json',
      'metrics.json',
      'model.onnx',
      'report.html',
    ];
    expect(own.sort()).toEqual(names.map((name) => `2/${name}`));
    for (const name of names) expect(await files.get(`2/${name}`)?.sha256()).toBe(published?.sha256?.[name]);

    const found = await explain(stores.models, 'digits', undefined);
    const manifest = (await stores.snapshots.tagged('digits', `${SNAPSHOT_ID}/manifest.json`))?.text ?? '';
    const metrics = JSON.parse((await stores.models.tagged('digits', '2/metrics.json'))?.text ?? '');
    expect(found).toMatchObject({
      version: '2',
      state: 'live',
      lineage: {
        id: SNAPSHOT_ID,
        snapshot: run.snapshot,
        manifest: { sha256: createHash('sha256').update(manifest).digest('hex'), files: 2 },
        job: 'good',
        execution: run.execution,
        image: run.image,
        code: 'code/abc',
        code_sha256: metrics.code_sha256,
        data_sha256: metrics.data.sha256,
        model_sha256: metrics.model_sha256,
        champion: '1',
      },
      decision: { outcome: 'promote', job: 'good', samples: 359 },
      metrics: { accuracy: 0.99 },
    });
    expect(found?.lineage).toEqual(published?.lineage);
    expect(found?.decision).toEqual(await stores.decisions.of('digits', 'good'));
    expect((await explain(stores.models, 'digits', '1'))?.lineage).toBeUndefined();
    expect(await explain(stores.models, 'digits', '3')).toBeUndefined();
    expect(await explain(stores.models, 'nothing', undefined)).toBeUndefined();
  });

  test('with what the judge has compiled, which then serves', async () => {
    await promoter.promote(run);
    const { models } = stores;
    const fetched: string[] = [];
    const source: VersionSource = {
      read: models.read.bind(models),
      fetch: (model, version, filename, sha256) => {
        fetched.push(filename);
        return models.fetch(model, version, filename, sha256);
      },
    };
    const hashes = publishedFiles(await releaseOf(models), '2');
    const served = await challengers.loader.load(source, { model: 'digits', version: '2' }, {}, hashes);
    await served.unload();
    expect([fetched, served.compiledUnused]).toEqual([['compiled/model.ort'], undefined]);
  });

  test.each(['model.ort', 'manifest.json'])(
    'without what was compiled, where its %s is another one by now',
    async (name) => {
      await put(`decisions/digits/good/compiled/${name}`, '{}');
      expect((await promoter.promote(run)).outcome).toBe('promoted');
      const published = publishedFiles(await releaseOf(stores.models), '2') ?? {};
      expect(Object.keys(published).filter((path) => path.startsWith('compiled/'))).toEqual([]);
      expect(published['model.onnx']).toBeDefined();
    },
  );

  test('once, however often it is asked', async () => {
    const first = await promoter.promote(run);
    const before = await releaseOf(stores.models);
    expect(await promoter.promote(run)).toEqual(first);
    expect(await releaseOf(stores.models)).toEqual(before);
  });

  test('once, by however many at the same time', async () => {
    const all = await Promise.all(Array.from({ length: 6 }, () => new Promoter({ ...stores, now }).promote(run)));
    for (const one of all) expect(one).toEqual({ version: '2', outcome: 'promoted', text: 'version 2 is live' });
    expect(actions(await releaseOf(stores.models))).toBe('adopt 1, publish 2, promote 2');
    expect((await stores.models.find('digits')).versions).toEqual(['1', '2']);
  });

  test('as a canary, where training.json gives a weight; twice is once', async () => {
    await put('models/digits/training.json', '{"canaryWeight": 0.25}');
    const expected = { version: '2', outcome: 'canary', text: 'version 2 gets 25 % of the requests' };
    expect(await promoter.promote(run)).toEqual(expected);
    const release = await releaseOf(stores.models);
    expect([release.live, release.canary]).toEqual(['1', { version: '2', weight: 0.25 }]);
    expect(await promoter.promote(run)).toEqual(expected);
    expect(await releaseOf(stores.models)).toEqual(release);
    // Who has ended the canary meant it.
    await publisher(stores.models).endCanary('digits');
    expect(await promoter.promote(run)).toMatchObject({ version: '2', outcome: 'rejected', code: 'rolled-back' });
    expect((await releaseOf(stores.models)).canary).toBeUndefined();
  });

  test('not where the live version is pinned: the version is there, and can be promoted by hand', async () => {
    await publisher(stores.models).pin('digits');
    const found = await promoter.promote(run);
    expect(found).toMatchObject({ version: '2', outcome: 'rejected', code: 'pinned' });
    expect(found.text).toContain('as version 1 is pinned');
    expect(await releaseOf(stores.models)).toMatchObject({ live: '1', pinned: true });
    await publisher(stores.models).unpin('digits');
    expect((await publisher(stores.models).promote('digits', '2')).live).toBe('2');
  });

  test('not where another version is live than the one that it was held against', async () => {
    const { models } = stores;
    const model = (await models.files('digits')).get('1/model.onnx');
    if (model === undefined) throw new Error('no model');
    await publisher(models).publish('digits', {
      modelFile: 'model.onnx',
      files: new Map([['model.onnx', model]]),
      modelFiles: new Map(),
    });
    await publisher(models).promote('digits', '2');
    const found = await promoter.promote(run);
    expect(found).toMatchObject({ version: '3', outcome: 'rejected', code: 'live-changed' });
    expect(found.text).toContain('it was held against version 1, and version 2 is live by now');
    expect((await releaseOf(models)).live).toBe('2');
  });

  test('what was taken back stays so', async () => {
    await promoter.promote(run);
    await publisher(stores.models).rollBack('digits');
    expect(await promoter.promote(run)).toMatchObject({ version: '2', outcome: 'rejected', code: 'rolled-back' });
    expect((await releaseOf(stores.models)).live).toBe('1');
  });

  test('not of other files than were judged', async () => {
    await put('staging/digits/good/output/model/report.html', 'another report');
    await expect(promoter.promote(run)).rejects.toThrow('report.html is not the one that was judged');
    await put('staging/digits/good/output/model/model.onnx', 'another model');
    await expect(promoter.promote(run)).rejects.toThrow('is not the one that was judged');
    expect(await stores.models.tagged('digits', 'release.json')).toBeUndefined();
  });
});

describe('two runs at the same time', () => {
  test('make two versions, of which one is live and the other is told', { timeout: 60_000 }, async () => {
    const { stores, trained, judge } = challengers.world();
    const runs = [trained('good', 'a'), trained('one_off', 'b')];
    for (const run of runs) expect((await judge.judge(run)).outcome).toBe('promote');
    const ended = await Promise.all(runs.map((run) => new Promoter({ ...stores, now }).promote(run)));
    expect(ended.map(({ version }) => version).sort()).toEqual(['2', '3']);
    expect(ended.map(({ outcome, code }) => code ?? outcome).sort()).toEqual(['live-changed', 'promoted']);
    const { live } = await releaseOf(stores.models);
    expect(live).toBe(ended.find(({ outcome }) => outcome === 'promoted')?.version);
  });
});

/** A repository whose process is killed at the n-th write, before or after it is made. */
function killedAt(
  models: ModelRepository,
  step: number,
  isMade: boolean,
): { models: ModelRepository; writes: () => number } {
  let count = 0;
  const writing = async (write: () => Promise<void>): Promise<void> => {
    if (++count === step && !isMade) throw new Error('killed');
    await write();
    if (count === step) throw new Error('killed');
  };
  const killed: ModelRepository = {
    models: () => models.models(),
    find: (...args) => models.find(...args),
    fetch: (...args) => models.fetch(...args),
    read: (...args) => models.read(...args),
    readUpTo: (...args) => models.readUpTo(...args),
    names: (...args) => models.names(...args),
    files: (...args) => models.files(...args),
    tagged: (...args) => models.tagged(...args),
    create: (...args) => writing(() => models.create(...args)),
    replace: (...args) => writing(() => models.replace(...args)),
  };
  return { models: killed, writes: () => count };
}

describe('a promoter that is killed between any two writes', { timeout: 120_000 }, () => {
  test.each([
    ['known', 'before', false],
    ['known', 'after', true],
    ['first', 'before', false],
    ['first', 'after', true],
  ])('is completed by the next one: a %s version, %s the write is made', async (kind, _, isMade) => {
    // A first version is held against none; its decision says so.
    const decision = await judged.stores.decisions.of('digits', 'good');
    const { live: _live, ...alone } = decision ?? {};
    let steps = Number.POSITIVE_INFINITY;
    for (let step = 1; step <= steps; step++) {
      const copy = challengers.world();
      const run = copy.trained('good');
      const text = JSON.stringify(kind === 'first' ? alone : decision);
      cpSync(join(judged.root, 'decisions'), join(copy.root, 'decisions'), { recursive: true });
      writeFileSync(join(copy.root, 'decisions/digits/good.json'), text);
      if (kind === 'first') {
        for (const file of ['1', 'config.pbtxt', 'labels.txt']) {
          rmSync(join(copy.root, 'models/digits', file), { recursive: true });
        }
      }
      const { models, writes } = killedAt(copy.stores.models, step, isMade);
      const killed = new Promoter({ ...copy.stores, models, now }).promote(run).catch(({ message }: Error) => message);
      if ((await killed) !== 'killed') {
        steps = writes();
        expect(steps).toBe(step - 1);
        break;
      }
      const seen = await copy.stores.models.find('digits');
      if (seen.release !== undefined && seen.versions.length > 0) {
        expect(seen.versions).toContain(parseRelease(seen.release).live);
      }
      const version = kind === 'first' ? '1' : '2';
      const found = await new Promoter({ ...copy.stores, now }).promote(run);
      expect(found, `step ${step}`).toMatchObject({ version, outcome: 'promoted' });
      const stored = await copy.stores.models.find('digits');
      expect(stored.versions).toEqual(kind === 'first' ? ['1'] : ['1', '2']);
      expect((await explain(copy.stores.models, 'digits', version))?.lineage?.job).toBe('good');
    }
    expect(steps).toBeGreaterThan(6);
  });
});

describe('what the judge has not let through is not promoted', () => {
  test.each([
    ['constant', "is 'reject'; expected 'promote'"],
    ['good', 'is none'],
  ])('%s', async (name, sentence) => {
    const { stores, judge, trained } = challengers.world();
    const run = trained(name);
    if (name === 'constant') await judge.judge(run);
    await expect(new Promoter({ ...stores, now }).promote(run)).rejects.toThrow(sentence);
    expect(await stores.models.tagged('digits', 'release.json')).toBeUndefined();
  });
});

test('a first version brings its configuration and labels; a later one leaves them as they are', {
  timeout: 60_000,
}, async () => {
  const { root, stores, judge, trained } = challengers.world();
  const folder = join(root, 'models/digits');
  for (const file of ['1', 'config.pbtxt', 'labels.txt']) rmSync(join(folder, file), { recursive: true });
  const promoter = new Promoter({ ...stores, now });
  const first = trained('noisy');
  await judge.judge(first);
  expect(await promoter.promote(first)).toMatchObject({ version: '1', outcome: 'promoted' });
  expect(readFileSync(join(folder, 'labels.txt'), 'utf8')).toMatch(/^0\n1\n/);
  const edited = `${readFileSync(join(folder, 'config.pbtxt'), 'utf8')}\nparameters { key: "mine" value { string_value: "1" } }\n`;
  writeFileSync(join(folder, 'config.pbtxt'), edited);
  const second = trained('good');
  await judge.judge(second);
  expect(await promoter.promote(second)).toMatchObject({ version: '2', outcome: 'promoted' });
  expect(readFileSync(join(folder, 'config.pbtxt'), 'utf8')).toBe(edited);
});

describe('the Lambda functions', () => {
  test('judge and promote what is in a bucket', { timeout: 60_000 }, async () => {
    const { root, trained } = challengers.world();
    const [good, constant] = [trained('good'), trained('constant')];
    for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (!entry.isFile()) continue;
      const Key = `lambda/${relative(root, path)}`;
      await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body: readFileSync(path) }));
    }
    const at = (name: string): string => `s3://${BUCKET}/lambda/${name}`;
    const env = {
      ...aws.env,
      MODEL_REPOSITORY: at('models'),
      DATASETS: at('datasets'),
      SNAPSHOTS: at('snapshots'),
      STAGING: at('staging'),
      LEDGER: at('control/ledger'),
      BUDGET: at('control/budget'),
      DECISIONS: at('control/decisions'),
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '1769',
    };
    // As they are deployed: each is one file, and the judge finds ONNX Runtime beside it.
    const bundles = join(root, 'bundles');
    mkdirSync(bundles);
    symlinkSync(join(ROOT, 'node_modules'), join(bundles, 'node_modules'));
    bundleInParts('functions/retrain/lambda/judge.ts', bundles, 'judge', ['onnxruntime-node']);
    bundle('functions/retrain/lambda/promote.ts', join(bundles, 'promote.mjs'));
    const invoke = async (name: string, run: Run) => {
      const code = `const { handler } = await import('./${name}.mjs');
        console.log('\\nanswer ' + JSON.stringify(await handler(${JSON.stringify(run)})));`;
      const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code], {
        cwd: bundles,
        env: { ...process.env, ...env },
      });
      // Lines of the log may come before it and after it.
      return JSON.parse(/^answer (.*)$/m.exec(stdout)?.[1] ?? '');
    };
    const answer = await invoke('judge', good);
    expect(answer).toMatchObject({ outcome: 'promote', text: 'all 10 gates are passed' });
    // The workflow carries it along: 256 KB for all of its state.
    expect(JSON.stringify(answer).length).toBeLessThan(10_000);
    expect(await invoke('judge', constant)).toMatchObject({ outcome: 'reject', code: 'accuracy-floor' });
    expect(await invoke('promote', good)).toEqual({ version: '2', outcome: 'promoted', text: 'version 2 is live' });
    await expect(invoke('promote', constant)).rejects.toThrow("is 'reject'; expected 'promote'");
  });
});
