import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { pack } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { textContent } from '../../functions/adapters/content.ts';
import { DirectoryRepository } from '../../functions/adapters/directory-repository.ts';
import { DiskCache } from '../../functions/adapters/disk-cache.ts';
import { decodeImage } from '../../functions/adapters/image-file.ts';
import { S3Repository } from '../../functions/adapters/s3-repository.ts';
import { readTar, type TarFile } from '../../functions/adapters/tar.ts';
import { ModelRejected, WriteConflict } from '../../functions/inference/ports.ts';
import { type HeldOutSample, samplesOf, TarHeldOut } from '../../functions/retrain/held-out.ts';
import { type LocalAws, startLocalAws } from '../setup/local-aws.ts';

const DIGITS = join(import.meta.dirname, '../../model-artifacts');
const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-held-out-'));
let aws: LocalAws;
beforeAll(async () => {
  aws = await startLocalAws();
  for (const [name, value] of Object.entries(aws.env)) vi.stubEnv(name, value);
  await new S3Client({ forcePathStyle: true }).send(new CreateBucketCommand({ Bucket: 'a-bucket' }));
});
afterAll(async () => {
  await aws.stop();
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

async function* filesOf(...files: TarFile[]): AsyncIterable<TarFile> {
  yield* files;
}
const file = (path: string, text = path): TarFile => ({ path, bytes: Buffer.from(text) });

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

type Entry = Parameters<ReturnType<typeof pack>['entry']>[0] & { readonly content?: string };

/** An archive as any program may make one. */
async function archive(...entries: Entry[]): Promise<Buffer> {
  const made = pack();
  for (const { content = '', ...header } of entries) made.entry(header, content);
  made.finalize();
  return Buffer.concat(await Readable.from(made).toArray());
}

/** In chunks that have nothing to do with the archive's blocks. */
async function* inChunks(bytes: Uint8Array, size = 700): AsyncIterable<Uint8Array> {
  for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size);
}

test('the held-out digits: 359 pictures as the model takes them, of ten classes', async () => {
  const samples = await all(new TarHeldOut(new DirectoryRepository(DIGITS)).samples('digits'));
  expect(samples).toHaveLength(359);
  const counts = Object.entries(Object.groupBy(samples, ({ label }) => label)).map(([label, { length = 0 } = []]) => [
    label,
    length,
  ]);
  expect(counts.map(([label]) => label)).toEqual([...'0123456789']);
  for (const [, count] of counts) expect(count).toBeGreaterThanOrEqual(35);
  for (const { bytes } of samples) expect(decodeImage(bytes)).toMatchObject({ width: 32, height: 32 });
  expect(samples.map(({ path }) => path)).toEqual(samples.map(({ path }) => path).sort());
});

const KINDS = [
  {
    name: 'a folder',
    open: () => {
      const root = join(folder, 'repository');
      mkdirSync(root);
      return new DirectoryRepository(root);
    },
  },
  {
    name: 'S3',
    open: () => {
      const cache = new DiskCache({ folder: join(folder, 'cache'), share: 0.1 });
      return new S3Repository({ bucket: 'a-bucket', prefix: 'models/' }, cache);
    },
  },
];

describe.each(KINDS)('a held-out set on $name', ({ open }) => {
  let heldOut: TarHeldOut;
  beforeAll(() => {
    heldOut = new TarHeldOut(open());
  });

  test('is not there before it is made', async () => {
    expect(await heldOut.exists('m')).toBe(false);
    await expect(all(heldOut.samples('m'))).rejects.toThrow("'m' has no evaluation.tar");
  });

  test('is made once; the same again is as good as made', async () => {
    const large = 'x'.repeat(100_000);
    const before = readdirSync(tmpdir()).length;
    await heldOut.create('m', filesOf(file('a/1.png', large), file('b/2.JPG'), file('b/3.jpeg')));
    expect(await heldOut.exists('m')).toBe(true);
    const samples = await all<HeldOutSample>(heldOut.samples('m'));
    expect(samples.map(({ path, label, bytes }) => [path, label, bytes.length])).toEqual([
      ['a/1.png', 'a', 100_000],
      ['b/2.JPG', 'b', 7],
      ['b/3.jpeg', 'b', 8],
    ]);
    await heldOut.create('m', filesOf(file('a/1.png', large), file('b/2.JPG'), file('b/3.jpeg')));
    await expect(heldOut.create('m', filesOf(file('a/1.png')))).rejects.toThrow(WriteConflict);
    expect((await all(heldOut.samples('m'))).length).toBe(3);
    expect(readdirSync(tmpdir()).length).toBeLessThanOrEqual(before + 1);
  });

  test('of several that make one at the same time one does, and the others are told', async () => {
    const tries = Array.from({ length: 8 }, (_, i) => heldOut.create('raced', filesOf(file(`a/${i}.png`))));
    const ended = await Promise.allSettled(tries);
    expect(ended.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const end of ended) if (end.status === 'rejected') expect(end.reason).toBeInstanceOf(WriteConflict);
    expect(await all(heldOut.samples('raced'))).toHaveLength(1);
  });

  test('what could not be read again is not made', async () => {
    for (const path of [
      'a.png',
      'a/b/c.png',
      '../a.png',
      'a/../b.png',
      '/a/b.png',
      '.a/b.png',
      'a/.b.png',
      'a/b.txt',
    ]) {
      await expect(heldOut.create('bad', filesOf(file('a/1.png'), file(path))), path).rejects.toThrow(ModelRejected);
    }
    expect(await heldOut.exists('bad')).toBe(false);
  });

  test('what fails while it is read makes nothing', async () => {
    async function* broken(): AsyncIterable<TarFile> {
      yield file('a/1.png');
      throw new Error('the source is gone');
    }
    await expect(heldOut.create('broken', broken())).rejects.toThrow('the source is gone');
    expect(await heldOut.exists('broken')).toBe(false);
  });
});

test('an archive that changes in S3 while it is read is not mixed up', async () => {
  const s3 = new S3Client({ forcePathStyle: true });
  const put = async (content: string) =>
    s3.send(new PutObjectCommand({ Bucket: 'a-bucket', Key: 'models/c/evaluation.tar', Body: content }));
  const repository = new S3Repository(
    { bucket: 'a-bucket', prefix: 'models/' },
    new DiskCache({ folder: join(folder, 'cache-2'), share: 0.1 }),
  );
  await put(`${await archive({ name: 'a/1.png', content: 'one' })}`);
  const content = (await repository.files('c')).get('evaluation.tar') ?? textContent('');
  await put(`${await archive({ name: 'a/2.png', content: 'two' })}`);
  await expect(all(samplesOf(content.open()))).rejects.toThrow("can't be read: PreconditionFailed");
});

describe('an archive that is refused', () => {
  const names: { [kind: string]: Entry } = {
    'a folder': { name: 'a', type: 'directory' },
    'a symbolic link': { name: 'a/1.png', type: 'symlink', linkname: '/etc/passwd' },
    'a hard link': { name: 'a/1.png', type: 'link', linkname: 'a/2.png' },
    'a device': { name: 'a/1.png', type: 'character-device' },
    'a path that leads out': { name: '../../a.png' },
    'an absolute path': { name: '/a/1.png' },
    'another file': { name: 'a/notes.txt' },
    'a file too deep': { name: 'a/b/1.png' },
  };

  test.each(Object.entries(names))('holds %s', async (_, header) => {
    const bytes = await archive({ name: 'a/0.png', content: 'fine' }, header);
    const found: string[] = [];
    const reading = (async () => {
      for await (const { path } of samplesOf(inChunks(bytes))) found.push(path);
    })();
    await expect(reading).rejects.toThrow(/evaluation\.tar can't be used: .*expected/);
    expect(found).toEqual(['a/0.png']);
  });

  test('says that a file is huge, which is not read', async () => {
    const bytes = await archive({ name: 'a/1.png', content: 'x' });
    // The size field, in octal digits; the checksum is the sum of the header's bytes with itself as blanks.
    bytes.write('77777777777\0', 124);
    bytes.write('        ', 148);
    const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    await expect(all(samplesOf(inChunks(bytes)))).rejects.toThrow("'a/1.png' has 8589934591 bytes; expected at most");
  });

  test('holds too many files', async () => {
    const bytes = await archive(...Array.from({ length: 4 }, (_, i) => ({ name: `a/${i}.png`, content: 'x' })));
    const limits = { maxFiles: 3, maxFileBytes: 10 };
    await expect(all(readTar(inChunks(bytes), limits))).rejects.toThrow('it holds more than 3 files');
  });

  test.each([
    ['is cut off', (bytes: Buffer) => bytes.subarray(0, 900)],
    ['has a damaged header', (bytes: Buffer) => bytes.fill(1, 100, 200)],
    ['is a picture', () => readFileSync(join(DIGITS, 'digits/samples/two.png'))],
  ])('%s', async (_, damage) => {
    const bytes = damage(await archive({ name: 'a/1.png', content: 'x'.repeat(2_000) }));
    await expect(all(samplesOf(inChunks(bytes)))).rejects.toThrow("evaluation.tar can't be used: it is no whole tar");
  });
});

test('a source that fails is not taken for a bad archive', async () => {
  const bytes = await archive({ name: 'a/1.png', content: 'x'.repeat(5_000) });
  async function* failing(): AsyncIterable<Uint8Array> {
    yield bytes.subarray(0, 1_000);
    throw new Error('the connection is gone');
  }
  await expect(all(samplesOf(failing()))).rejects.toThrow(/^the connection is gone$/);
});

test('whoever has seen enough ends the reading of the source', async () => {
  const bytes = await archive(...Array.from({ length: 2_000 }, (_, i) => ({ name: `a/${i}.png`, content: 'x' })));
  let read = 0;
  async function* counted(): AsyncIterable<Uint8Array> {
    for await (const chunk of inChunks(bytes, 1_024)) {
      read += chunk.length;
      yield chunk;
    }
  }
  for await (const { path } of samplesOf(counted())) if (path === 'a/3.png') break;
  expect(read).toBeLessThan(bytes.length / 2);
});
