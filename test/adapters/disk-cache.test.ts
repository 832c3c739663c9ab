import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { DiskCache } from '../../functions/adapters/disk-cache.ts';
import { ModelRejected, NoRoom } from '../../functions/inference/ports.ts';
import { Unavailable } from '../../functions/protocol/errors.ts';

const root = mkdtempSync(join(tmpdir(), 'serverless-onnx-disk-'));
let folder: string;
let cache: DiskCache;
beforeEach(() => {
  folder = mkdtempSync(join(root, 'cache-'));
  cache = new DiskCache({ folder, maxBytes: 100, share: 1 });
});
afterAll(() => rmSync(root, { recursive: true }));

const bytes = (count: number) => async (target: string) => {
  mkdirSync(target, { recursive: true });
  writeFileSync(join(target, 'model.onnx'), Buffer.alloc(count));
};
const use = (path: string, count: number) => cache.use(path, count, bytes(count));
const there = (): string[] => readdirSync(folder).filter((model) => existsSync(join(folder, model, '1/x/model.onnx')));

test('what was not used for the longest time makes room; what is in use stays', async () => {
  const kept = await use('kept/1/x', 40);
  for (const name of ['a', 'b', 'c']) (await use(`${name}/1/x`, 20)).done();
  // Used again, `a` is the youngest.
  await new Promise((resolve) => setTimeout(resolve, 5));
  (await use('a/1/x', 20)).done();
  (await use('d/1/x', 20)).done();
  expect(there()).toEqual(['a', 'c', 'd', 'kept']);
  kept.done();
  (await use('large/1/x', 100)).done();
  expect(there()).toEqual(['large']);
});

test('while all is in use there is no room for another one; one that never fits is refused at once', async () => {
  const uses = [await use('a/1/x', 50), await use('b/1/x', 50)];
  await expect(use('c/1/x', 10)).rejects.toThrow(Unavailable);
  await expect(use('d/1/x', 101)).rejects.toThrow(ModelRejected);
  for (const { done } of uses) {
    done();
    done();
  }
  await use('c/1/x', 100);
  expect(there()).toEqual(['c']);
});

test('what an earlier process has left is counted, oldest first', async () => {
  for (const [i, name] of ['new', 'old'].entries()) {
    await bytes(50)(join(folder, name, '1', 'x'));
    utimesSync(join(folder, name, '1', 'x'), 1_000_000 - i * 1000, 1_000_000 - i * 1000);
  }
  (await use('another/1/x', 50)).done();
  expect(there()).toEqual(['another', 'new']);
});

test('what could not be made takes no room', async () => {
  const broken = cache.use('a/1/x', 100, async () => {
    throw new Error('no');
  });
  await expect(broken).rejects.toThrow('no');
  (await use('b/1/x', 100)).done();
  expect(there()).toEqual(['b']);
});

test('without a limit it may take its share of what is free', async () => {
  const free = new DiskCache({ folder, share: 0.5 });
  await expect(free.use('a/1/x', 2 ** 60, bytes(1))).rejects.toThrow(/has room for at most \d+/);
  (await free.use('a/1/x', 10, bytes(10))).done();
});

test('at the same time no more is made than fits, and what is asked for while it goes is not taken for there', async () => {
  for (let round = 0; round < 20; round++) {
    (await use('a/1/x', 100)).done();
    const names = ['b', 'a', 'c'];
    const uses = await Promise.allSettled(names.map((name) => use(`${name}/1/x`, 100)));
    const made = names.filter((_, i) => uses[i]?.status === 'fulfilled');
    expect(made).toHaveLength(1);
    expect(there()).toEqual(made);
    for (const result of uses) {
      if (result.status === 'fulfilled') result.value.done();
      else expect(result.reason).toBeInstanceOf(NoRoom);
    }
  }
});
