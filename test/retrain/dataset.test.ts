// What every data set promises, held against each of them.

import { createHash } from 'node:crypto';
import { symlinkSync } from 'node:fs';
import { beforeEach, describe, expect, test } from 'vitest';
import { DirectoryDataset } from '../../functions/adapters/directory-dataset.ts';
import { DataChanged, type DataFile } from '../../functions/retrain/datasets.ts';
import { contentOf } from '../../functions/retrain/inspect.ts';
import { bytesOf, picture, type World } from '../setup/retraining.ts';
import { worldsOnAws } from '../setup/worlds-on-aws.ts';

const kinds = worldsOnAws();

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const sha256 = (content: string): string => createHash('sha256').update(content).digest('hex');

describe.each(kinds)('a data set in $name', ({ open }) => {
  let world: World;
  beforeEach(async () => {
    world = await open();
  });
  const listed = async (path: string): Promise<DataFile> => {
    const file = (await world.outside.dataset.list('m')).find((found) => found.path === path);
    if (file === undefined) throw new Error(`${path} is not listed`);
    return file;
  };
  /** What a snapshot has under a path. */
  const copied = async (id: string, path: string): Promise<string | undefined> =>
    (await world.outside.snapshots.tagged('m', `${id}/${path}`))?.text;

  test('an empty one has no models and no files', async () => {
    expect(await world.outside.dataset.models()).toEqual([]);
    expect(await world.outside.dataset.list('m')).toEqual([]);
  });

  test('lists models that have files, and their files by path', async () => {
    for (const path of ['b/x/1.png', 'b/x/2.png', 'b/a/1.png', 'b/manifest.json', 'a.b/x/ö + %41 1.png']) {
      await world.put(path, 'picture');
    }
    await world.put('.hidden/x/1.png', 'picture');
    expect(await world.outside.dataset.models()).toEqual(['a.b', 'b']);
    const paths = (await world.outside.dataset.list('b')).map(({ path }) => path);
    expect(paths).toEqual(['a/1.png', 'manifest.json', 'x/1.png', 'x/2.png']);
    expect(text(await bytesOf(world.outside.dataset, 'a.b', 'x/ö + %41 1.png'))).toBe('picture');
  });

  test('tells size, time and a tag, another one after each change', async () => {
    const before = Date.now() - 2_000;
    await world.put('m/x/1.png', 'one');
    const one = await listed('x/1.png');
    expect(one.size).toBe(3);
    expect(one.modified).toBeGreaterThan(before);
    expect(one.modified).toBeLessThan(Date.now() + 2_000);
    expect(await listed('x/1.png')).toEqual(one);
    await world.put('m/x/1.png', 'two');
    expect((await listed('x/1.png')).etag).not.toBe(one.etag);
  });

  test('what was removed is not listed', async () => {
    await world.put('m/x/1.png', 'one');
    await world.put('m/x/2.png', 'two');
    await world.remove('m/x/1.png');
    expect((await world.outside.dataset.list('m')).map(({ path }) => path)).toEqual(['x/2.png']);
  });

  test('copies what was listed, also for the second time', async () => {
    await world.put('m/x/ä 1.png', 'one');
    const file = await listed('x/ä 1.png');
    for (let times = 0; times < 2; times++) await world.outside.dataset.copy('m', file, sha256('one'), 'id');
    expect(await copied('id', 'x/ä 1.png')).toBe('one');
  });

  test('large files come whole', async () => {
    const large = new Uint8Array(5 * 1024 * 1024 + 3).map((_, i) => (i * 7919) >> 3);
    await world.put('m/x/1.png', large);
    expect(Buffer.compare(await bytesOf(world.outside.dataset, 'm', 'x/1.png'), large)).toBe(0);
  });

  test('more files than S3 lists at a time', async () => {
    await world.putAll('m', new Map(Array.from({ length: 1_003 }, (_, i) => [`x/${i}.png`, 'one'])));
    expect(await world.outside.dataset.list('m')).toHaveLength(1_003);
  });
});

describe('files that change after they were listed', () => {
  test('in a folder they can be neither read nor copied; nothing is left behind', async () => {
    const { outside, put, remove } = await kinds[0].open();
    await put('m/x/1.png', 'one');
    await put('m/x/2.png', 'two');
    const [one, two] = (await outside.dataset.list('m')) as [DataFile, DataFile];
    await put('m/x/1.png', 'eins');
    await remove('m/x/2.png');
    for (const file of [one, two]) {
      await expect(contentOf(outside.dataset, 'm', file)).rejects.toThrow(DataChanged);
      await expect(outside.dataset.copy('m', file, sha256('one'), 'id')).rejects.toThrow(DataChanged);
    }
    expect(await outside.snapshots.files('m')).toEqual(new Map());
  });

  test('in a folder a link to somewhere else is no file', async () => {
    const { outside, put } = await kinds[0].open();
    await put('m/x/1.png', 'one');
    const root = (outside.snapshotAt('m', 'id') as string).replace(/snapshots\/m\/id\/$/, 'datasets');
    symlinkSync('/etc/hostname', `${root}/m/x/2.png`);
    const found = await new DirectoryDataset(root, root).list('m');
    expect(found.map(({ path }) => path)).toEqual(['x/1.png']);
  });

  test('in S3 the version that was listed is read and copied', async () => {
    const { outside, put, remove } = await kinds[1].open();
    await put('m/x/1.png', 'one');
    await put('m/x/2.png', picture(1));
    const [one, two] = (await outside.dataset.list('m')) as [DataFile, DataFile];
    await put('m/x/1.png', 'eins');
    await remove('m/x/2.png');
    expect(text((await contentOf(outside.dataset, 'm', one)).bytes)).toBe('one');
    expect((await contentOf(outside.dataset, 'm', two)).bytes).toEqual(picture(1));
    await outside.dataset.copy('m', one, sha256('one'), 'id');
    expect((await outside.snapshots.tagged('m', 'id/x/1.png'))?.text).toBe('one');
    const gone = { ...one, versionId: undefined };
    await expect(contentOf(outside.dataset, 'm', gone)).rejects.toThrow(DataChanged);
    await expect(outside.dataset.copy('m', gone, sha256('one'), 'id')).rejects.toThrow(DataChanged);
  });
});
