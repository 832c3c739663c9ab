// What many write at the same time: of each change there is one author.

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeEach, describe, expect, test } from 'vitest';
import { Documents } from '../../functions/retrain/documents.ts';
import { notificationOf } from '../../functions/retrain/notification.ts';
import { type QueueState, withNext, withOffer } from '../../functions/retrain/queue.ts';
import { rerun } from '../../functions/retrain/rerun.ts';
import { pictures, TRAINING, type World } from '../setup/retraining.ts';
import { worldsOnAws } from '../setup/worlds-on-aws.ts';

const kinds = worldsOnAws();

const times = <T>(n: number, act: (i: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: n }, (_, i) => act(i)));

describe.each(kinds)('in $name', ({ open }) => {
  let world: World;
  beforeEach(async () => {
    world = await open();
    await world.putModel('m/1/model.onnx', 'a model');
    await world.putModel('m/training.json', JSON.stringify(TRAINING));
  });

  test('of fifty that want a slot of three, three get one, whenever they ask; the next day has three more', async () => {
    const { budget } = world.loop;
    const { now } = world.clock;
    const slots = await times(50, (i) => budget.take({ model: 'm', execution: `run-${i}` }, 3, now));
    const taken = slots.flatMap((slot, i) => (slot === undefined ? [] : [{ slot, i }]));
    expect(taken.map(({ slot }) => slot).sort()).toEqual([1, 2, 3]);
    expect(await budget.taken('m', now)).toBe(3);
    // Who asks again has what it had.
    for (const { slot, i } of taken)
      expect(await budget.take({ model: 'm', execution: `run-${i}` }, 3, now)).toBe(slot);
    expect(await budget.take({ model: 'm', execution: 'late' }, 3, now)).toBeUndefined();
    expect(await budget.take({ model: 'm', execution: 'late' }, 4, now)).toBe(4);
    expect(await budget.take({ model: 'other', execution: 'late' }, 3, now)).toBe(1);
    const tomorrow = new Date(now.getTime() + 86_400_000);
    expect(await budget.take({ model: 'm', execution: 'late' }, 3, tomorrow)).toBe(1);
  });

  test('of twenty that write the same in the same moment one has written it', async () => {
    const documents = new Documents<{ n: number }>(world.outside.ledger);
    const writes = await times(20, () => documents.update('m', 'a.json', (found) => found ?? { n: 1 }));
    expect(writes.filter(({ changed }) => changed)).toHaveLength(1);
    const changes = await times(20, () => documents.update('m', 'a.json', (found = { n: 0 }) => ({ n: found.n + 1 })));
    expect(changes.map(({ found }) => found.n).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 20 }, (_, i) => i + 2),
    );
  });

  test('of twenty that look at the same wrong upload in the same moment one tells people', async () => {
    await world.put('m/cat/notes.txt', 'a note');
    const all = await times(20, () => world.loop.gatekeeper.consider('m'));
    // Who comes late finds it known.
    expect(all.map((found) => found.outcome).filter((outcome) => outcome !== 'same-content')).toContain('rejected');
    expect(world.notifier.sent.map(({ subject }) => subject)).toEqual(['m: rejected (wrong-format)']);
    expect(await world.loop.ledger.entries('m')).toHaveLength(1);
  });

  test('of twenty that end the same run in the same moment one tells people, and what waits is started once', async () => {
    await world.putAll('m', pictures(['cat', 'dog'], 10));
    const { id } = (await world.loop.gatekeeper.consider('m')) as { id: string };
    world.clock.pass(1);
    await world.putAll('m', pictures(['cat', 'dog'], 10, 100));
    const second = (await world.loop.gatekeeper.consider('m')) as { id: string };
    await times(20, (i) => {
      const reason = { code: 'training-failed', text: 'it ended with an error' };
      const ended =
        i % 2 === 0 ? ({ state: 'promoted', version: '2' } as const) : ({ state: 'failed', reason } as const);
      return world.loop.conclude.end({ model: 'm', id, execution: id, ...ended });
    });
    const [first] = await world.loop.ledger.entries('m');
    expect(world.notifier.sent.map(({ fields }) => [fields.id, fields.state])).toEqual([[id, first?.state]]);
    expect(first?.history.map(({ state }) => state)).toEqual(['accepted', 'running', first?.state]);
    expect(world.starter.started.map((input) => input.id)).toEqual([id, second.id]);
    expect(await world.loop.queue.state('m')).toMatchObject({ running: { id: second.id }, open: [{ id: second.id }] });
  });

  test('what has failed is trained on again under the next name; the end of an earlier run is not its end', async () => {
    await world.putAll('m', pictures(['cat', 'dog'], 10));
    const { id } = (await world.loop.gatekeeper.consider('m')) as { id: string };
    await expect(rerun(world.loop, 'm', id, world.clock.now)).rejects.toThrow(
      `${id} is running; expected one that has ended`,
    );
    const reason = { code: 'training-failed', text: 'it ended with an error' };
    await world.loop.conclude.end({ model: 'm', id, execution: id, state: 'failed', reason });
    const again = await rerun(world.loop, 'm', id, world.clock.now);
    expect(again).toMatchObject({ state: 'running', execution: `${id}-r1`, rerun: 1 });
    expect([again.reason, again.notice]).toEqual([undefined, undefined]);
    await world.loop.conclude.end({ model: 'm', id, execution: id, state: 'stopped' });
    expect(await world.loop.ledger.entry('m', id)).toMatchObject({ state: 'running' });
    await world.loop.conclude.end({ model: 'm', id, execution: `${id}-r1`, state: 'promoted', version: '2' });
    expect(await world.loop.ledger.entry('m', id)).toMatchObject({ state: 'promoted', version: '2' });
    expect(world.notifier.sent.map(({ subject }) => subject)).toEqual(['m: failed (training-failed)', 'm: promoted']);
    expect(await world.loop.budget.taken('m', world.clock.now)).toBe(2);
    await expect(rerun(world.loop, 'm', '0'.repeat(16), world.clock.now)).rejects.toThrow('no upload 0000000000000000');
    await world.put('m/cat/notes.txt', 'a note');
    const refused = (await world.loop.gatekeeper.consider('m')) as { id: string };
    await expect(rerun(world.loop, 'm', refused.id, world.clock.now)).rejects.toThrow(
      'was refused before it was copied',
    );
  });
});

test('of fifty processes that want a slot of three, three get one', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-budget-'));
  try {
    const moment = String(Date.now() + 5_000);
    const script = join(import.meta.dirname, 'take-slot.ts');
    const run = promisify(execFile);
    const outputs = await times(50, (i) => run(process.execPath, [script, folder, `run-${i}`, '3', moment]));
    const taken = outputs.map(({ stdout }) => stdout.trim()).filter((slot) => slot !== 'none');
    expect(taken.sort()).toEqual(['1', '2', '3']);
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 120_000);

describe('the queue', () => {
  const at = '2026-11-25T08:00:00.000Z';
  const upload = (id: string, second: number) => ({ id, listed_at: `2026-11-25T08:00:0${second}.000Z` });
  const shown = ({ running, pending }: QueueState) => [running?.id, pending?.id];

  test('one runs, the newest waits, the others are out', () => {
    let queue: QueueState = {};
    const steps = [upload('a', 1), upload('b', 2), upload('d', 4), upload('c', 3), upload('b', 2)].map((offered) => {
      queue = withOffer(queue, offered, at);
      return shown(queue);
    });
    expect(steps).toEqual([
      ['a', undefined],
      ['a', 'b'],
      ['a', 'd'],
      ['a', 'd'],
      ['a', 'd'],
    ]);
    expect(withNext(queue, 'd', at)).toBe(queue);
    queue = withNext(queue, 'a', at);
    expect(shown(queue)).toEqual(['d', undefined]);
    expect(withNext(queue, 'a', at)).toBe(queue);
    queue = withNext(queue, 'd', at);
    expect(shown(queue)).toEqual([undefined, undefined]);
    expect(withOffer(queue, upload('c', 3), at)).toBe(queue);
  });

  test('when what runs is offered again as the newest, nothing older waits', () => {
    const queue = [upload('a', 1), upload('b', 2), upload('a', 3)].reduce<QueueState>(
      (q, u) => withOffer(q, u, at),
      {},
    );
    expect(shown(queue)).toEqual(['a', undefined]);
  });

  test('of uploads of the same moment everybody takes the same for the newest', () => {
    const one = [upload('a', 0), upload('b', 1), upload('c', 1)];
    const other = [upload('a', 0), upload('c', 1), upload('b', 1)];
    for (const order of [one, other]) {
      expect(shown(order.reduce<QueueState>((q, u) => withOffer(q, u, at), {}))).toEqual(['a', 'c']);
    }
  });
});

test('a mail says what happened, why, and what to do; its subject is one short line', () => {
  const entry = {
    model: 'm'.repeat(128),
    id: '0123456789abcdef',
    state: 'rejected',
    listed_at: '',
    guards: '',
    rerun: 0,
    history: [{ at: '2026-11-25T08:00:00.000Z', state: 'rejected' }],
    reason: { code: 'wrong-format', text: '1 files are no pictures: cat/notes.txt; expected .png, .jpg or .jpeg' },
  } as const;
  const { subject, text, fields } = notificationOf(entry);
  expect(subject).toMatch(/^[ -~]{1,100}$/);
  expect(text).toContain('wrong-format: 1 files are no pictures: cat/notes.txt');
  expect(text).toContain('docs/runbook.md, wrong-format');
  expect(fields).toEqual({ model: 'm'.repeat(128), id: '0123456789abcdef', state: 'rejected', code: 'wrong-format' });
});
