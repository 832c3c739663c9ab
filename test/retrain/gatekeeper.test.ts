// From an upload to the start of one training job, whatever comes how often and in which order.

import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { Considered } from '../../functions/retrain/gatekeeper.ts';
import type { TerminalState } from '../../functions/retrain/ledger.ts';
import { picture, pictures, TRAINING, type World } from '../setup/retraining.ts';
import { worldsOnAws } from '../setup/worlds-on-aws.ts';

const kinds = worldsOnAws();

const sha256 = (content: string | Uint8Array) => createHash('sha256').update(content).digest('hex');
const idOf = (considered: Considered | undefined): string => (considered as { id: string }).id;

describe.each(kinds)('in $name', ({ open }) => {
  let world: World;
  beforeEach(async () => {
    world = await open();
    await world.putModel('m/1/model.onnx', 'a model');
    await world.putModel('m/labels.txt', 'cat\ndog\n');
    await world.putModel('m/training.json', JSON.stringify(TRAINING));
  });
  const consider = () => world.loop.gatekeeper.consider('m');
  const upload = async (seed: number): Promise<void> => {
    world.clock.pass(1);
    await world.putAll('m', pictures(['cat', 'dog'], 10, seed));
  };
  const end = (id: string, state: TerminalState) => {
    const execution = [...world.starter.executions.keys()].find((name) => name.startsWith(`m/${id}`))?.slice(2) ?? '';
    return world.loop.conclude.end({ model: 'm', id, execution, state });
  };
  const states = async (): Promise<{ [id: string]: string }> =>
    Object.fromEntries((await world.loop.ledger.entries('m')).map(({ id, state }) => [id, state]));
  /** Names the model's objects as the job finds them. */
  const snapshotOf = async (id: string): Promise<string[]> =>
    [...(await world.outside.snapshots.files('m')).keys()].filter((path) => path.startsWith(`${id}/`)).sort();

  test('an upload is copied, without a fifth of each class, which becomes the held-out set, and is started', async () => {
    await upload(0);
    const considered = await consider();
    expect(considered).toMatchObject({ outcome: 'accepted', state: 'running' });
    const id = idOf(considered);
    const lines = [...pictures(['cat', 'dog'], 10)].sort().map(([path, bytes]) => `${sha256(bytes)}  ${path}\n`);
    expect(id).toBe(sha256(lines.join('')).slice(0, 16));
    const manifest = await world.loop.snapshots.manifest('m', id);
    expect(manifest).toMatchObject({ model: 'm', id, classes: ['cat', 'dog'] });
    expect(manifest?.files).toHaveLength(16);
    expect(manifest?.left_out.map(({ reason }) => reason)).toEqual(Array(4).fill('held-out'));
    const held = await world.heldOut('m');
    expect(manifest?.left_out.map(({ path }) => path).sort()).toEqual(held);
    expect(held.map((path) => path.slice(0, 3))).toEqual(['cat', 'cat', 'dog', 'dog']);
    expect(await snapshotOf(id)).toEqual(
      ['manifest.json', ...(manifest?.files ?? []).map(({ path }) => path)].map((path) => `${id}/${path}`).sort(),
    );
    const snapshot = world.outside.snapshotAt('m', id);
    expect(world.starter.started).toEqual([{ model: 'm', id, snapshot, rerun: 0 }]);
    const entry = await world.loop.ledger.entry('m', id);
    expect(entry).toMatchObject({
      state: 'running',
      execution: id,
      report: { files: 20, classes: { cat: 8, dog: 8 } },
    });
    expect(entry?.history.map(({ state }) => state)).toEqual(['accepted', 'running']);
    expect(await world.loop.queue.state('m')).toMatchObject({ running: { id, execution: id } });
    expect(world.notifier.sent).toEqual([]);
  });

  test('twenty duplicate and reordered events start one job', async () => {
    await upload(0);
    const all = await Promise.all(Array.from({ length: 20 }, consider));
    for (let late = 0; late < 5; late++) all.push(await consider());
    expect(new Set(all.map(idOf)).size).toBe(1);
    expect(world.starter.started).toHaveLength(1);
    expect(await states()).toEqual({ [idOf(all[0])]: 'running' });
    expect(await world.loop.budget.taken('m', world.clock.now)).toBe(1);
    await end(idOf(all[0]), 'promoted');
    await Promise.all(Array.from({ length: 5 }, consider));
    expect(world.starter.started).toHaveLength(1);
    expect(world.notifier.sent.map(({ subject }) => subject)).toEqual(['m: promoted']);
  });

  test('five hundred files whose events come all along start one job', async () => {
    const files = [...pictures(['cat', 'dog'], 250)];
    const before = world.clock.now;
    const outcomes = new Set<string>();
    for (let i = 0; i < files.length; i += 50) {
      await world.putAll('m', new Map(files.slice(i, i + 50)));
      // Their events come while others are still on their way.
      world.clock.now = new Date(Date.now() + 1_000);
      outcomes.add((await consider()).outcome);
    }
    expect([...outcomes]).toEqual(['not-quiet']);
    expect(world.starter.calls).toBe(0);
    world.clock.now = before;
    await Promise.all([consider(), consider()]);
    for (let i = 0; i < 10; i++) await consider();
    expect(world.starter.started).toHaveLength(1);
    const [{ id } = { id: '' }] = world.starter.started;
    expect(await world.loop.snapshots.manifest('m', id)).toMatchObject({ files: { length: 400 } });
  }, 240_000);

  test('while files come all wait; the last of them are named', async () => {
    await upload(0);
    await world.put('m/cat/last.png', picture(77));
    world.clock.now = new Date(Date.now() + 30_000);
    const considered = await consider();
    expect(considered).toMatchObject({ outcome: 'not-quiet', newest: expect.arrayContaining(['cat/last.png']) });
    const { seconds } = considered as { seconds: number };
    expect(seconds).toBeGreaterThan(60);
    expect(seconds).toBeLessThanOrEqual(91);
    world.clock.pass(seconds);
    expect(await consider()).toMatchObject({ outcome: 'accepted' });
  });

  test('of five uploads in ten seconds one runs and the newest waits; the others are superseded', async () => {
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) {
      await upload(100 * i);
      world.clock.pass(1);
      ids.push(idOf(await consider()));
    }
    const [first = '', , , , last = ''] = ids;
    expect(await world.loop.queue.state('m')).toMatchObject({ running: { id: first }, pending: { id: last } });
    const middle = Object.fromEntries(ids.slice(1, 4).map((id) => [id, 'superseded']));
    expect(await states()).toEqual({ [first]: 'running', ...middle, [last]: 'pending' });
    expect(world.starter.started.map(({ id }) => id)).toEqual([first]);
    expect(world.notifier.sent.map(({ fields }) => fields.id)).toEqual(ids.slice(1, 4));
    await end(first, 'failed');
    expect(await states()).toEqual({ [first]: 'failed', ...middle, [last]: 'running' });
    await end(last, 'promoted');
    expect(world.starter.started.map(({ id }) => id)).toEqual([first, last]);
    const { running, pending, open = [] } = await world.loop.queue.state('m');
    expect([running, pending, open]).toEqual([undefined, undefined, []]);
  });

  test('a gatekeeper that is slow does not put an older upload in the place of a newer one', async () => {
    await upload(0);
    const first = idOf(await consider());
    await upload(100);
    // It has listed the second upload, and goes on only when the third one waits already.
    const { dataset } = world.outside;
    const goOn = Promise.withResolvers<void>();
    const read = dataset.read.bind(dataset);
    const slow = vi.spyOn(dataset, 'read').mockImplementation(async function* (model, file) {
      await goOn.promise;
      yield* read(model, file);
    });
    const late = consider();
    await vi.waitFor(() => expect(slow).toHaveBeenCalled());
    slow.mockRestore();
    world.clock.pass(10);
    await upload(200);
    const third = idOf(await consider());
    goOn.resolve();
    if (world.outside.dataset.constructor.name === 'S3Dataset') {
      expect(await late).toMatchObject({ outcome: 'accepted', state: 'superseded' });
    } else expect(await late).toEqual({ outcome: 'changed' });
    expect(await world.loop.queue.state('m')).toMatchObject({ running: { id: first }, pending: { id: third } });
  });

  test('files that are overwritten after the start change nothing for the job', async () => {
    await upload(0);
    const id = idOf(await consider());
    const manifest = await world.loop.snapshots.manifest('m', id);
    await upload(100);
    await world.remove('m/cat/1.png');
    for (const { path, sha256: expected } of manifest?.files ?? []) {
      const file = (await world.outside.snapshots.files('m')).get(`${id}/${path}`);
      expect(await file?.sha256()).toBe(expected);
    }
    const next = await consider();
    expect(next).toMatchObject({ outcome: 'accepted', state: 'pending' });
    expect(idOf(next)).not.toBe(id);
  });

  test('an upload whose events were all lost is found by the reconciler', async () => {
    await upload(0);
    expect(await world.loop.reconciler.reconcile()).toMatchObject(new Map([['m', { outcome: 'accepted' }]]));
    expect(world.starter.started).toHaveLength(1);
    expect(await world.loop.reconciler.reconcile()).toMatchObject(new Map([['m', { outcome: 'same-content' }]]));
  });

  test('an execution that ends without a word is found by the reconciler, and what waits is started', async () => {
    await upload(0);
    const first = idOf(await consider());
    await upload(100);
    const second = idOf(await consider());
    await world.loop.reconciler.reconcile();
    expect(await states()).toEqual({ [first]: 'running', [second]: 'pending' });
    world.starter.executions.set(`m/${first}`, { input: world.starter.started[0] as never, state: 'stopped' });
    await world.loop.reconciler.reconcile();
    expect(await states()).toEqual({ [first]: 'stopped', [second]: 'running' });
    world.starter.executions.delete(`m/${second}`);
    await world.loop.reconciler.reconcile();
    expect(await states()).toMatchObject({ [second]: 'running' });
    world.clock.pass(3_600);
    await world.loop.reconciler.reconcile();
    expect(await states()).toMatchObject({ [second]: 'failed' });
    expect(world.notifier.sent.map(({ subject }) => subject)).toEqual([
      'm: stopped (stopped)',
      'm: failed (training-failed)',
    ]);
  });

  test('nothing is read twice: not by further events, and not of files that were there before', async () => {
    const read = vi.spyOn(world.outside.dataset, 'read');
    await upload(0);
    await consider();
    // Of each file once, and the held-out ones once more to be copied; S3 copies by itself.
    const first = read.mock.calls.length;
    await consider();
    await world.loop.reconciler.reconcile();
    expect(read.mock.calls.length).toBe(first);
    await world.put('m/cat/new.png', picture(99));
    read.mockClear();
    await consider();
    const paths = read.mock.calls.map(([, { path }]) => path);
    const copies = world.outside.dataset.constructor.name === 'S3Dataset' ? 0 : 17;
    expect(paths.filter((path) => path === 'cat/new.png').length).toBeGreaterThan(0);
    expect(paths).toHaveLength(1 + copies);
  });

  test('a manifest names what is used, and is taken at once', async () => {
    const files = pictures(['cat', 'dog'], 10);
    await world.putAll('m', files);
    await world.put('m/cat/not-named.txt', 'a note');
    world.clock.now = new Date(Date.now() + 1_000);
    expect(await consider()).toMatchObject({ outcome: 'not-quiet' });
    // S3 tells times in seconds.
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const named = [...files].map(([path, bytes]) => ({ path, sha256: sha256(bytes) }));
    await world.put('m/manifest.json', JSON.stringify({ files: named }));
    world.clock.now = new Date(Date.now() + 1_000);
    expect(await consider()).toMatchObject({ outcome: 'accepted', state: 'running' });
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    // What comes after it makes all wait again, and is not part of it.
    await world.put('m/cat/later.png', picture(99));
    expect(await consider()).toMatchObject({ outcome: 'not-quiet' });
    world.clock.pass(200);
    expect(await consider()).toMatchObject({ outcome: 'same-content', state: 'running' });
  });

  test('a day has its budget; what was too much is trained on the next day', async () => {
    const ids: string[] = [];
    world.clock.now = new Date(`${new Date(Date.now() + 3 * 86_400_000).toISOString().slice(0, 10)}T01:00:00Z`);
    for (let i = 0; i < 4; i++) {
      await upload(100 * i);
      world.clock.pass(60);
      const id = idOf(await consider());
      ids.push(id);
      if (i < 3) await end(id, 'promoted');
    }
    const last = ids[3] as string;
    expect(world.starter.started.map(({ id }) => id)).toEqual(ids.slice(0, 3));
    expect(await world.loop.ledger.entry('m', last)).toMatchObject({
      state: 'rejected',
      reason: { code: 'budget-exhausted', text: expect.stringContaining('3 jobs were started today') },
    });
    expect(world.notifier.sent.map(({ subject }) => subject)).toEqual([
      ...Array(3).fill('m: promoted'),
      'm: rejected (budget-exhausted)',
    ]);
    await world.loop.reconciler.reconcile();
    expect(world.starter.started).toHaveLength(3);
    world.clock.pass(86_400);
    await world.loop.reconciler.reconcile();
    expect(world.starter.started.map(({ id }) => id)).toEqual(ids);
    expect(world.notifier.sent).toHaveLength(4);
  });

  test('content that was superseded is trained on when it is there again', async () => {
    await upload(0);
    const first = idOf(await consider());
    await upload(100);
    const second = idOf(await consider());
    await upload(200);
    const third = idOf(await consider());
    expect(await states()).toEqual({ [first]: 'running', [second]: 'superseded', [third]: 'pending' });
    await upload(100);
    expect(await consider()).toMatchObject({ outcome: 'accepted', id: second, state: 'pending' });
    expect(await states()).toEqual({ [first]: 'running', [second]: 'pending', [third]: 'superseded' });
    // And what runs is there again: nothing has to wait.
    await upload(0);
    expect(await consider()).toMatchObject({ outcome: 'same-content', id: first, state: 'running' });
    expect(await states()).toEqual({ [first]: 'running', [second]: 'superseded', [third]: 'superseded' });
  });
});
