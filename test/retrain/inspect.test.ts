import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { pictureOf } from '../../functions/adapters/image-check.ts';
import { DataChanged, type DataFile, type Dataset } from '../../functions/retrain/datasets.ts';
import { inParallel } from '../../functions/retrain/in-parallel.ts';
import { contentOf, inspect } from '../../functions/retrain/inspect.ts';
import { picture } from '../setup/retraining.ts';

const file = (i: number, size: number): DataFile => ({ path: `cat/${i}.png`, size, etag: `${i}`, modified: 0 });

/** Files that are made when they are read. */
function made(content: (file: DataFile) => Iterable<Uint8Array>): Dataset & { readonly reads: string[] } {
  const reads: string[] = [];
  return {
    reads,
    models: async () => ['m'],
    list: async () => [],
    copy: async () => {},
    async *read(_, asked) {
      reads.push(asked.path);
      yield* content(asked);
    },
  };
}

test('of ten thousand files a few are in memory at a time, each hashed as it is read', async () => {
  let open = 0;
  let most = 0;
  const dataset = made(function* ({ etag }) {
    most = Math.max(most, ++open);
    yield Buffer.from(`${etag} and `);
    yield Buffer.from('so on');
  });
  const files = Array.from({ length: 10_000 }, (_, i) => file(i, `${i} and so on`.length));
  const inspected = await inspect(dataset, 'm', files, [], (bytes) => {
    open--;
    return { width: bytes.length, height: 1, pixelsSha256: '' };
  });
  expect(most).toBeLessThanOrEqual(8);
  expect(most).toBeGreaterThan(1);
  expect(inspected).toHaveLength(10_000);
  expect(inspected[4_321]).toMatchObject({
    path: 'cat/4321.png',
    sha256: createHash('sha256').update('4321 and so on').digest('hex'),
    picture: { width: 14 },
  });
});

test('what is the same as in the last snapshot is not read again; what is not is', async () => {
  const dataset = made(() => [picture(1)]);
  const size = picture(1).length;
  const known = { sha256: 'known', size, width: 8, height: 8, pixels_sha256: 'pixels' };
  const files = [file(1, size), { ...file(2, size), versionId: 'v2' }, { ...file(3, size), versionId: 'v1' }];
  const last = [
    { ...known, path: 'cat/1.png', etag: '1' },
    { ...known, path: 'cat/2.png', etag: '2', version_id: 'v1' },
    { ...known, path: 'cat/3.png', etag: '3', version_id: 'v1' },
  ];
  const inspected = await inspect(dataset, 'm', files, last, pictureOf);
  expect(dataset.reads).toEqual(['cat/2.png']);
  expect(inspected.map(({ sha256 }) => sha256 === 'known')).toEqual([true, false, true]);
  expect(inspected.map(({ picture: found }) => [found?.width, found?.height])).toEqual(Array(3).fill([8, 8]));
});

test.each([
  ['shorter', 'abc', 4],
  ['longer', 'abcde', 4],
])('a file that is %s than it was listed has changed', async (_, content, size) => {
  const dataset = made(() => [Buffer.from(content)]);
  await expect(contentOf(dataset, 'm', file(1, size))).rejects.toThrow(DataChanged);
});

test('two files that show the same have the same hash of pixels, however they are written', () => {
  const one = pictureOf(picture(5));
  const again = Buffer.concat([picture(5)]);
  // Another time of day in a chunk that does not matter: bytes after the end of the picture.
  const other = pictureOf(Buffer.concat([again, Buffer.from('beside')]));
  expect(one).toEqual(other);
  expect(one).not.toEqual(pictureOf(picture(6)));
  expect(pictureOf(Buffer.from('text'))).toMatchObject({ code: 'wrong-format' });
});

test('work in parallel keeps the order; after a failure nothing is begun, and all is waited for', async () => {
  const results = await inParallel([3, 1, 2], 2, async (n) => {
    await new Promise((resolve) => setTimeout(resolve, n));
    return n * 10;
  });
  expect(results).toEqual([30, 10, 20]);
  expect(await inParallel([], 2, async () => 1)).toEqual([]);
  const begun: number[] = [];
  let ended = 0;
  const failing = inParallel([0, 1, 2, 3, 4], 2, async (n) => {
    begun.push(n);
    if (n === 1) throw new Error('one');
    await new Promise((resolve) => setTimeout(resolve, 20));
    ended++;
  });
  await expect(failing).rejects.toThrow('one');
  expect([begun, ended]).toEqual([[0, 1], 1]);
});
