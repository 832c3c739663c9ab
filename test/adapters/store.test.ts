// What every model store promises, held against each of them; and what only a store far away has to cope with.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { CreateBucketCommand, DeleteObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { contentOf, textContent } from '../../functions/adapters/content.ts';
import { DirectoryRepository } from '../../functions/adapters/directory-repository.ts';
import { DiskCache } from '../../functions/adapters/disk-cache.ts';
import { S3Repository } from '../../functions/adapters/s3-repository.ts';
import { S3Store } from '../../functions/adapters/s3-store.ts';
import { ModelRejected, type ModelRepository, WriteConflict } from '../../functions/inference/ports.ts';
import { Unavailable } from '../../functions/protocol/errors.ts';
import { type LocalAws, startLocalAws } from '../setup/local-aws.ts';

const BUCKET = 'a-bucket';
const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-stores-'));
let aws: LocalAws;
let s3: S3Client;
beforeAll(async () => {
  aws = await startLocalAws();
  for (const [name, value] of Object.entries(aws.env)) vi.stubEnv(name, value);
  s3 = new S3Client({ forcePathStyle: true });
  await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
});
afterAll(async () => {
  await aws.stop();
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const put = (key: string, content: string | Uint8Array) =>
  s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: key, Body: content }));

type Repository = {
  readonly store: ModelRepository;
  put(path: string, content: string): Promise<unknown>;
  remove(path: string): Promise<unknown>;
};

let nextName = 0;
const KINDS: { name: string; open: () => Repository }[] = [
  {
    name: 'a folder',
    open: () => {
      const root = join(folder, `repository-${nextName++}`);
      mkdirSync(root);
      return {
        store: new DirectoryRepository(root),
        put: async (path, content) => {
          mkdirSync(dirname(join(root, path)), { recursive: true });
          writeFileSync(join(root, path), content);
        },
        remove: async (path) => rmSync(join(root, path)),
      };
    },
  },
  {
    name: 'S3',
    open: () => {
      const prefix = `models-${nextName++}/`;
      return {
        store: new S3Repository(
          { bucket: BUCKET, prefix },
          new DiskCache({ folder: join(folder, prefix), share: 0.5 }),
        ),
        put: (path, content) => put(prefix + path, content),
        remove: (path) => s3.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: prefix + path })),
      };
    },
  },
];

describe.each(KINDS)('a store in $name', ({ open }) => {
  test('gives files that need not be there, up to a size, and the names in a folder', async () => {
    const { store, put } = open();
    await put('m/1/metrics.json', '{}');
    for (const name of ['b.png', 'a.png', 'deeper/c.png']) await put(`m/samples/${name}`, name);
    expect(new TextDecoder().decode((await store.readUpTo('m', '1/metrics.json', 2)) as Uint8Array)).toBe('{}');
    expect(await store.readUpTo('m', '1/metrics.json', 1)).toBe(2);
    for (const path of ['1/report.html', '2/metrics.json', 'samples']) {
      expect(await store.readUpTo('m', path, 100)).toBeUndefined();
    }
    expect(await store.names('m', 'samples')).toEqual(['a.png', 'b.png']);
    expect(await store.names('m', 'none')).toEqual([]);
  });

  let repository: Repository;
  beforeEach(() => {
    repository = open();
  });

  test('an empty one has no models', async () => {
    expect(await repository.store.models()).toEqual([]);
    expect(await repository.store.find('nothing')).toEqual({ config: {}, versions: [] });
  });

  test('lists models and versions, from oldest to newest, and skips what is none', async () => {
    for (const version of ['2', '10', '1', '03', 'x', '12345678901']) {
      await repository.put(`b/${version}/model.onnx`, 'model');
    }
    await repository.put('b/7/metrics.json', '{}');
    await repository.put('b/9', 'a file, no folder');
    await repository.put('a.b-c_d/1/model.onnx', 'model');
    await repository.put('.hidden/1/model.onnx', 'model');
    await repository.put('file-beside', 'no model');
    expect(await repository.store.models()).toEqual(['a.b-c_d', 'b']);
    expect(await repository.store.find('b')).toEqual({ config: {}, versions: ['1', '2', '10'] });
  });

  test('reads config.pbtxt, again after it has changed', async () => {
    await repository.put('m/1/net.onnx', 'model');
    await repository.put('m/config.pbtxt', 'default_model_filename: "net.onnx" max_batch_size: 3');
    const first = await repository.store.find('m');
    expect([first.config.max_batch_size, first.versions]).toEqual([3, ['1']]);
    await repository.put('m/config.pbtxt', 'max_batch_size: 4');
    const second = await repository.store.find('m');
    expect([second.config.max_batch_size, second.versions]).toEqual([4, []]);
    await repository.put('m/config.pbtxt', 'nonsense');
    await expect(repository.store.find('m')).rejects.toThrow(ModelRejected);
  });

  test('reads release.json, again after it has changed', async () => {
    await repository.put('m/1/model.onnx', 'model');
    expect((await repository.store.find('m')).release).toBeUndefined();
    await repository.put('m/release.json', '{"live": "1"}');
    expect((await repository.store.find('m')).release).toBe('{"live": "1"}');
    await repository.put('m/release.json', '{"live": "2"}');
    expect((await repository.store.find('m')).release).toBe('{"live": "2"}');
    await repository.remove('m/release.json');
    expect((await repository.store.find('m')).release).toBeUndefined();
  });

  test('fetches a version with the files beside the model, and files of the model', async () => {
    await repository.put('m/3/model.onnx', 'model');
    await repository.put('m/3/weights/part.bin', 'weights');
    await repository.put('m/4/model.onnx', 'another');
    await repository.put('m/labels.txt', 'café\n');
    await repository.store.find('m');
    const { path } = await repository.store.fetch('m', '3', 'model.onnx');
    expect(readFileSync(path, 'utf8')).toBe('model');
    expect(readFileSync(join(dirname(path), 'weights/part.bin'), 'utf8')).toBe('weights');
    expect(new TextDecoder().decode(await repository.store.read('m', 'labels.txt'))).toBe('café\n');
    await expect(repository.store.read('m', 'none.txt')).rejects.toThrow();
  });

  test('a file that is not what was published is refused; so is one that is missing, or elsewhere', async () => {
    const { store } = repository;
    const large = 'abc'.repeat(4_000_000);
    await repository.put('m/1/model.onnx', large);
    await repository.put('m/1/weights.bin', 'abc');
    const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
    const sha256 = (await (await store.files('m')).get('1/model.onnx')?.sha256()) as string;
    const fetched = await store.fetch('m', '1', 'model.onnx', { 'model.onnx': sha256, 'weights.bin': abc });
    expect(readFileSync(fetched.path, 'utf8')).toBe(large);
    for (const wrong of ['model.onnx', 'none.bin', '../../m/1/weights.bin']) {
      await expect(store.fetch('m', '1', 'model.onnx', { [wrong]: abc })).rejects.toThrow(ModelRejected);
    }
  });

  test('a version that appears or goes is seen by the next look', async () => {
    await repository.put('m/1/model.onnx', 'model');
    expect((await repository.store.find('m')).versions).toEqual(['1']);
    await repository.put('m/2/model.onnx', 'model');
    expect((await repository.store.find('m')).versions).toEqual(['1', '2']);
    await repository.remove('m/1/model.onnx');
    expect((await repository.store.find('m')).versions).toEqual(['2']);
  });

  test('tells every file of a model with its size and sha256', async () => {
    expect(await repository.store.files('m')).toEqual(new Map());
    await repository.put('m/config.pbtxt', '');
    await repository.put('m/1/model.onnx', 'abc');
    const files = await repository.store.files('m');
    expect([...files.keys()].sort()).toEqual(['1/model.onnx', 'config.pbtxt']);
    const file = files.get('1/model.onnx');
    expect(file?.size).toBe(3);
    // The first example of FIPS 180-2.
    expect(await file?.sha256()).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });

  test('makes a file once: the same bytes again are fine, others are a conflict', async () => {
    await repository.store.create('m', '1/model.onnx', textContent('first'));
    await repository.store.create('m', '1/model.onnx', textContent('first'));
    await expect(repository.store.create('m', '1/model.onnx', textContent('other'))).rejects.toThrow(WriteConflict);
    expect(readFileSync((await repository.store.fetch('m', '1', 'model.onnx')).path, 'utf8')).toBe('first');
  });

  test('what ends in the middle leaves nothing behind', async () => {
    const broken = contentOf(6, async function* () {
      yield Buffer.from('abc');
      throw new Error('the disk is gone');
    });
    await expect(repository.store.create('m', '1/model.onnx', broken)).rejects.toThrow();
    expect(await repository.store.files('m')).toEqual(new Map());
  });

  test('replaces a file only in the state that was read', async () => {
    const { store } = repository;
    expect(await store.tagged('m', 'release.json')).toBeUndefined();
    await store.replace('m', 'release.json', 'one', undefined);
    await expect(store.replace('m', 'release.json', 'other', undefined)).rejects.toThrow(WriteConflict);
    const { tag, text } = (await store.tagged('m', 'release.json')) ?? {};
    expect(text).toBe('one');
    await store.replace('m', 'release.json', 'two', tag);
    await expect(store.replace('m', 'release.json', 'three', tag)).rejects.toThrow(WriteConflict);
    expect((await store.tagged('m', 'release.json'))?.text).toBe('two');
    await repository.remove('m/release.json');
    await expect(store.replace('m', 'release.json', 'four', tag)).rejects.toThrow(WriteConflict);
  });

  test('of many that replace the same state one does', async () => {
    const { store } = repository;
    await store.replace('m', 'release.json', 'before', undefined);
    const { tag } = (await store.tagged('m', 'release.json')) ?? {};
    const all = Array.from({ length: 20 }, (_, i) => store.replace('m', 'release.json', `by ${i}`, tag));
    const outcomes = await Promise.allSettled(all);
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const winner = outcomes.findIndex(({ status }) => status === 'fulfilled');
    expect((await store.tagged('m', 'release.json'))?.text).toBe(`by ${winner}`);
  });
});

test('a sealed folder is not read for its hashes', async () => {
  const root = join(folder, `repository-${nextName++}`);
  mkdirSync(join(root, 'm/1'), { recursive: true });
  writeFileSync(join(root, 'm/1/model.onnx'), 'model');
  const other = { 'model.onnx': 'a'.repeat(64) };
  const { path } = await new DirectoryRepository(root, true).fetch('m', '1', 'model.onnx', other);
  expect(path).toBe(join(root, 'm/1/model.onnx'));
  await expect(new DirectoryRepository(root).fetch('m', '1', 'model.onnx', other)).rejects.toThrow(ModelRejected);
});

describe('a store in S3', () => {
  const open = (prefix: string): { store: S3Store; cache: string } => {
    const cache = mkdtempSync(join(folder, 'cache-'));
    return { store: new S3Store({ bucket: BUCKET, prefix }, new DiskCache({ folder: cache, share: 0.5 })), cache };
  };
  const files = (cache: string): string[] => (readdirSync(cache, { recursive: true }) as string[]).sort();

  test('large files come in ranges and whole; a second fetch downloads nothing', async () => {
    const large = new Uint8Array(20 * 1024 * 1024 + 3).map((_, i) => (i * 7919) >> 3);
    await put('large/m/1/model.onnx', large);
    await put('large/m/1/empty', '');
    const { store, cache } = open('large/');
    const { path } = await store.fetch('m', '1', 'model.onnx');
    expect(Buffer.compare(readFileSync(path), large)).toBe(0);
    const [before, again] = [files(cache), (await store.fetch('m', '1', 'model.onnx')).path];
    expect([again, files(cache)]).toEqual([path, before]);
  });

  test('a download can be watched: what it is of, and every byte of it, once', async () => {
    await put('watched/m/7/model.onnx', new Uint8Array(10 * 1024 * 1024));
    await put('watched/m/7/weights.bin', 'weights');
    const seen: string[] = [];
    const chunks: number[] = [];
    const watch = (label: string, total: number) => {
      seen.push(`${label}: ${total}`);
      return { add: (more: number) => void chunks.push(more), end: () => void seen.push('end') };
    };
    const cache = new DiskCache({ folder: mkdtempSync(join(folder, 'cache-')), share: 0.5 });
    const store = new S3Store({ bucket: BUCKET, prefix: 'watched/' }, cache, watch);
    await store.fetch('m', '7', 'model.onnx');
    await store.fetch('m', '7', 'model.onnx');
    expect(seen).toEqual([`m 7: ${10 * 1024 * 1024 + 7}`, 'end']);
    expect(chunks.reduce((sum, chunk) => sum + chunk, 0)).toBe(10 * 1024 * 1024 + 7);
  });

  test('many pages of objects', async () => {
    await Promise.all(Array.from({ length: 1_005 }, (_, i) => put(`many/m/${i + 1}/model.onnx`, 'x')));
    expect((await open('many/').store.find('m')).versions).toHaveLength(1_005);
  });

  test('concurrent fetches of one version leave one folder', async () => {
    await put('race/m/1/model.onnx', 'model');
    const { store, cache } = open('race/');
    const fetched = await Promise.all(Array.from({ length: 8 }, () => store.fetch('m', '1', 'model.onnx')));
    const paths = fetched.map(({ path }) => path);
    expect(new Set(paths).size).toBe(1);
    expect(files(join(cache, 'm', '1'))).toHaveLength(2);
  });

  test('a version that was replaced since it was listed is not taken for the listed one', async () => {
    await put('replaced/m/1/model.onnx', 'first');
    const { store, cache } = open('replaced/');
    await store.find('m');
    await put('replaced/m/1/model.onnx', 'other');
    await expect(store.fetch('m', '1', 'model.onnx')).rejects.toThrow(/can't be read: PreconditionFailed/);
    expect(files(join(cache, 'm', '1'))).toEqual([]);
    expect(readFileSync((await store.fetch('m', '1', 'model.onnx')).path, 'utf8')).toBe('other');
  });

  test.each(['..', 'a/../../b', './c', 'd\\e', 'f//g'])('a file named %j is refused', async (name) => {
    const prefix = `hostile-${nextName++}/`;
    await put(`${prefix}m/1/model.onnx`, 'model');
    await put(`${prefix}m/1/${name}`, 'hostile');
    const { store, cache } = open(prefix);
    await expect(store.fetch('m', '1', 'model.onnx')).rejects.toThrow(/no plain path/);
    expect(files(cache)).toEqual([]);
  });

  test('a bucket that is not there: a sentence without its name', async () => {
    const store = new S3Store({ bucket: 'not-there', prefix: '' }, new DiskCache({ folder, share: 0.5 }));
    const error = (await store.models().catch((caught: unknown) => caught)) as Unavailable;
    expect(error).toBeInstanceOf(Unavailable);
    expect(error.message).toBe("the model repository can't be read: NoSuchBucket");
  });
});

describe('a store in S3 behind a bad connection', () => {
  let proxy: Server;
  /** What the proxy does with the body of an answer to a GET of an object. */
  let spoil: ((body: Buffer) => Buffer | undefined) | undefined;
  let spoiled = 0;
  const ranges: (string | undefined)[] = [];

  beforeEach(async () => {
    spoiled = 0;
    ranges.length = 0;
    proxy = createServer(async (request, response) => {
      const { range = '', 'if-match': tag } = request.headers;
      const headers = { range, ...(tag === undefined ? {} : { 'if-match': tag }) };
      const answer = await fetch(aws.endpoint + request.url, { headers });
      const body = Buffer.from(await answer.arrayBuffer());
      const isObject = request.url?.includes('model.onnx') && spoil !== undefined;
      const sent = isObject ? spoil?.(body) : body;
      if (isObject) ranges.push(request.headers.range);
      if (isObject && sent !== body) spoiled++;
      if (sent === undefined) {
        response.destroy();
        return;
      }
      response.writeHead(answer.status, { 'content-length': body.length, etag: answer.headers.get('etag') ?? '' });
      response.write(sent);
      if (sent.length === body.length) response.end();
      else setTimeout(() => response.destroy(), 20);
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const { port } = proxy.address() as { port: number };
    vi.stubEnv('AWS_ENDPOINT_URL', `http://127.0.0.1:${port}`);
  });
  afterEach(() => {
    proxy.close();
    vi.stubEnv('AWS_ENDPOINT_URL', aws.endpoint);
  });

  const open = async (content: Uint8Array): Promise<S3Store> => {
    const prefix = `bad-${nextName++}/`;
    await put(`${prefix}m/1/model.onnx`, content);
    return new S3Store({ bucket: BUCKET, prefix }, new DiskCache({ folder: join(folder, prefix), share: 0.5 }));
  };
  const content = new Uint8Array(100_000).map((_, i) => i % 251);

  test('answers that break off are taken up where they did', async () => {
    const store = await open(content);
    spoil = (body) => (spoiled < 3 ? body.subarray(0, 30_000) : body);
    const { path } = await store.fetch('m', '1', 'model.onnx');
    expect(Buffer.compare(readFileSync(path), content)).toBe(0);
    expect(ranges).toEqual([0, 30_000, 60_000, 90_000].map((start) => `bytes=${start}-99999`));
  });

  test('so is the content of a file that is read as a stream', async () => {
    const prefix = `bad-${nextName++}/`;
    await put(`${prefix}m/1/model.onnx`, content);
    const cache = new DiskCache({ folder: join(folder, prefix), share: 0.5 });
    const file = (await new S3Repository({ bucket: BUCKET, prefix }, cache).files('m')).get('1/model.onnx');
    const read = async (): Promise<Buffer> => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of file?.open() ?? []) chunks.push(chunk);
      return Buffer.concat(chunks);
    };
    spoil = (body) => (spoiled < 3 ? body.subarray(0, 30_000) : body);
    expect(Buffer.compare(await read(), content)).toBe(0);
    expect(spoiled).toBe(3);
    spoil = (body) => body.subarray(0, 0);
    await expect(read()).rejects.toThrow(/^the model repository can't be read/);
    await put(`${prefix}m/1/model.onnx`, 'another one');
    spoil = (body) => body.subarray(0, 30_000);
    await expect(read()).rejects.toThrow("can't be read: PreconditionFailed");
  });

  test('one that always breaks off is given up; nothing half is left', async () => {
    const store = await open(content);
    spoil = (body) => body.subarray(0, 10);
    await expect(store.fetch('m', '1', 'model.onnx')).rejects.toThrow(/broke off its answer too often/);
    spoil = undefined;
    expect(Buffer.compare(readFileSync((await store.fetch('m', '1', 'model.onnx')).path), content)).toBe(0);
  });

  test('one that never answers is an outage', async () => {
    const store = await open(content);
    spoil = () => undefined;
    await expect(store.fetch('m', '1', 'model.onnx')).rejects.toThrow(Unavailable);
  });
});

describe('writes to S3', () => {
  let proxy: Server;
  let store: S3Repository;
  /** What becomes of the next writes: refused as another one is under way, or made without an answer. */
  let faults: ('409' | 'lost')[] = [];

  beforeEach(async () => {
    proxy = createServer(async (request, response) => {
      const body = await buffer(request);
      const fault = request.method === 'PUT' ? faults.shift() : undefined;
      if (fault === '409') {
        response.writeHead(409).end('<Error><Code>ConditionalRequestConflict</Code></Error>');
        return;
      }
      const names = Object.entries(request.headers).filter(([name]) => /^(if-|x-amz-checksum)/.test(name));
      const answer = await fetch(aws.endpoint + request.url, {
        method: request.method ?? 'GET',
        headers: Object.fromEntries(names) as { [name: string]: string },
        ...(request.method === 'PUT' ? { body } : {}),
      });
      const bytes = Buffer.from(await answer.arrayBuffer());
      if (fault === 'lost') response.destroy();
      else response.writeHead(answer.status, { etag: answer.headers.get('etag') ?? '' }).end(bytes);
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    vi.stubEnv('AWS_ENDPOINT_URL', `http://127.0.0.1:${(proxy.address() as { port: number }).port}`);
    const prefix = `writes-${nextName++}/`;
    store = new S3Repository({ bucket: BUCKET, prefix }, new DiskCache({ folder: join(folder, prefix), share: 0.5 }));
  });
  afterEach(() => {
    proxy.closeAllConnections();
    proxy.close();
    vi.stubEnv('AWS_ENDPOINT_URL', aws.endpoint);
  });

  test('while another one is under way (409) are made again', async () => {
    faults = ['409', '409'];
    await store.create('m', '1/model.onnx', textContent('model'));
    faults = ['409'];
    await store.replace('m', 'release.json', 'one', undefined);
    expect((await store.tagged('m', 'release.json'))?.text).toBe('one');
    // Whoever it was may have changed it.
    const { tag } = (await store.tagged('m', 'release.json')) ?? {};
    await store.replace('m', 'release.json', 'by another', tag);
    faults = ['409'];
    await expect(store.replace('m', 'release.json', 'two', tag)).rejects.toThrow(WriteConflict);
    expect((await store.tagged('m', 'release.json'))?.text).toBe('by another');
    faults = ['409', '409', '409', '409'];
    await expect(store.create('m', '2/model.onnx', textContent('model'))).rejects.toThrow(Unavailable);
    expect([...(await store.files('m')).keys()].sort()).toEqual(['1/model.onnx', 'release.json']);
  });

  test('whose answer is lost are known for our own', async () => {
    faults = ['lost'];
    await store.create('m', '1/model.onnx', textContent('model'));
    faults = ['lost'];
    await store.replace('m', 'release.json', 'one', undefined);
    const { tag } = (await store.tagged('m', 'release.json')) ?? {};
    faults = ['lost'];
    await store.replace('m', 'release.json', 'two', tag);
    expect((await store.tagged('m', 'release.json'))?.text).toBe('two');
    expect(faults).toEqual([]);
  });
});
