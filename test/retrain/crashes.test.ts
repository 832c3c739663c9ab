// A process may be killed between any two writes, and several may do the same at the same time in any order.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isTerminal, type LedgerEntry, type TerminalState } from '../../functions/retrain/ledger.ts';
import { type Kill, MemoryWorld, untilKilled } from '../setup/memory-loop.ts';
import { picture } from '../setup/retraining.ts';

const HOUR = 3_600_000;

const entriesOf = (world: MemoryWorld): Promise<readonly LedgerEntry[]> => world.process().loop.ledger.entries('m');

const runningOf = (world: MemoryWorld): string[] =>
  [...world.starter.executions].filter(([, { state }]) => state === 'running').map(([name]) => name.slice(2));

/** The workflow comes to its end, and says so, if nobody kills it before. */
async function end(world: MemoryWorld, state: TerminalState, { loop } = world.process()): Promise<void> {
  const [execution] = runningOf(world);
  const found = world.starter.executions.get(`m/${execution}`);
  if (execution === undefined || found === undefined) return;
  found.state = state === 'stopped' ? 'stopped' : 'succeeded';
  await loop.conclude.end({ model: 'm', id: found.input.id, execution, state });
}

/** What the world comes to when nobody is killed any more, and time passes. */
async function comeToRest(world: MemoryWorld): Promise<void> {
  for (let hours = 0; hours < 3 || runningOf(world).length > 0; hours++) {
    world.now += HOUR;
    await world.process().loop.reconciler.reconcile();
    await end(world, 'promoted');
  }
}

describe('killed at each step', () => {
  type Scenario = {
    readonly name: string;
    /** What happens before. */
    before(world: MemoryWorld): Promise<void>;
    /** What is killed. */
    act(world: MemoryWorld, loop: ReturnType<MemoryWorld['process']>['loop']): Promise<unknown>;
    /** How each upload ends, in the order of their first entries. */
    readonly ends: readonly string[];
    readonly starts: number;
  };
  const uploadAndLook = async (world: MemoryWorld, seed: number): Promise<void> => {
    world.upload(seed);
    await world.process().loop.gatekeeper.consider('m');
  };
  const SCENARIOS: readonly Scenario[] = [
    {
      name: 'an upload is taken',
      before: async (world) => world.upload(0),
      act: (_, loop) => loop.gatekeeper.consider('m'),
      ends: ['promoted'],
      starts: 1,
    },
    {
      name: 'an upload is the first of its model, and brings the held-out set',
      before: async (world) => {
        world.heldOut.sets.clear();
        world.upload(0);
        // One more of each class than the limit, as one of each is held out.
        world.dataset.files.set('cat/more.png', { bytes: picture(1), modified: 0 });
        world.dataset.files.set('dog/more.png', { bytes: picture(2), modified: 0 });
      },
      act: (_, loop) => loop.gatekeeper.consider('m'),
      ends: ['promoted'],
      starts: 1,
    },
    {
      name: 'an upload is refused',
      before: async (world) => {
        world.upload(0);
        world.dataset.files.set('cat/note.txt', { bytes: picture(1), modified: 0 });
      },
      act: (_, loop) => loop.gatekeeper.consider('m'),
      ends: ['rejected'],
      starts: 0,
    },
    {
      name: 'an upload takes the place of the one that waits',
      before: async (world) => {
        for (const seed of [0, 1]) await uploadAndLook(world, seed);
        world.upload(2);
      },
      act: (_, loop) => loop.gatekeeper.consider('m'),
      ends: ['promoted', 'superseded', 'promoted'],
      starts: 2,
    },
    {
      name: 'a run ends, and the next one starts',
      before: async (world) => {
        for (const seed of [0, 1]) await uploadAndLook(world, seed);
      },
      act: (world, loop) => end(world, 'rejected', { loop, steps: () => 0 }),
      ends: ['rejected|failed', 'promoted'],
      starts: 2,
    },
  ];

  test.each(SCENARIOS)('$name', async ({ before, act, ends, starts }) => {
    let steps = 1;
    for (let step = 0; step <= steps; step++) {
      for (const afterwards of [false, true]) {
        const world = new MemoryWorld();
        await before(world);
        const { loop, steps: taken } = world.process(undefined, { step, afterwards });
        await untilKilled(act(world, loop));
        steps = Math.max(steps, taken());
        // The very next look completes all but the mails, which wait until their first author must be dead.
        await world.process().loop.gatekeeper.consider('m');
        const { running, pending } = await world.process().loop.queue.state('m');
        const waiting = (await entriesOf(world)).filter(({ state }) => state === 'accepted');
        expect([waiting, pending?.id === running?.id && running]).toEqual([[], running && false]);
        await comeToRest(world);
        const entries = await entriesOf(world);
        const found = entries.map(({ state }) => state);
        expect(found, `killed at ${step}`).toHaveLength(ends.length);
        for (const [i, state] of found.entries()) expect(ends[i]?.split('|'), `killed at ${step}`).toContain(state);
        expect(world.starter.started.map(({ id }) => id)).toHaveLength(starts);
        expect(world.budget.objects.size).toBe(starts);
        const { running: left, pending: none, open = [] } = await world.process().loop.queue.state('m');
        expect([left, none, open]).toEqual([undefined, undefined, []]);
        // Only who is killed after the mail, and before it has written so, makes others send it once more.
        const mails = Map.groupBy(world.notifier.sent, ({ fields }) => fields.id);
        for (const { id } of entries) expect(mails.get(id)?.length ?? 0).toBeGreaterThanOrEqual(1);
        const resent = world.notifier.sent.length - entries.length;
        expect(resent, `killed at ${step}`).toBeLessThanOrEqual(afterwards || step > 0 ? 1 : 0);
      }
    }
    expect(steps).toBeGreaterThan(3);
  });
});

describe('in any order', () => {
  type Event =
    | { readonly kind: 'upload'; readonly seed: number; readonly kill: Kill | undefined }
    | { readonly kind: 'duplicate' | 'reconcile'; readonly kill: Kill | undefined }
    | { readonly kind: 'end'; readonly state: TerminalState; readonly kill: Kill | undefined }
    | { readonly kind: 'time'; readonly hours: number };

  const events = (kill: fc.Arbitrary<Kill | undefined>): fc.Arbitrary<Event> =>
    fc.oneof(
      { weight: 4, arbitrary: fc.record({ kind: fc.constant('upload' as const), seed: fc.nat(5), kill }) },
      { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('duplicate' as const, 'reconcile' as const), kill }) },
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constant('end' as const),
          state: fc.constantFrom<TerminalState>('promoted', 'rejected', 'failed', 'stopped'),
          kill,
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('time' as const), hours: fc.integer({ min: 1, max: 20 }) }),
      },
    );
  const kills = fc.option(fc.record({ step: fc.nat(30), afterwards: fc.boolean() }), { nil: undefined, freq: 2 });

  async function happen(world: MemoryWorld, event: Event, turn: () => Promise<unknown>): Promise<void> {
    if (event.kind === 'time') {
      world.now += event.hours * HOUR;
      return;
    }
    const started = world.process(turn, event.kill);
    // Others may look at what was there before.
    for (let turns = 0; event.kind === 'upload' && turns < event.seed; turns++) await turn();
    if (event.kind === 'upload') world.upload(event.seed);
    const { gatekeeper, reconciler } = started.loop;
    if (event.kind === 'end') await untilKilled(end(world, event.state, started));
    else await untilKilled(event.kind === 'reconcile' ? reconciler.reconcile() : gatekeeper.consider('m'));
  }

  async function checkInvariants(world: MemoryWorld): Promise<void> {
    expect(runningOf(world).length).toBeLessThanOrEqual(1);
    const { running, pending } = await world.process().loop.queue.state('m');
    if (pending !== undefined) expect(pending.id).not.toBe(running?.id);
    for (const [execution] of [...world.starter.executions].filter(([, { state }]) => state === 'running')) {
      expect(running?.id).toBe(execution.slice(2));
    }
    // Each upload has at most one execution; each execution has its slot, and there are three a day.
    const ids = world.starter.started.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const days = Map.groupBy(world.budget.objects.keys(), (key) => key.split('/')[1]);
    for (const slots of days.values()) expect(slots.length).toBeLessThanOrEqual(3);
    const slots = [...world.budget.objects.values()].map(
      (bytes) => JSON.parse(Buffer.from(bytes).toString()).execution,
    );
    expect(slots).toEqual(expect.arrayContaining(ids));
    for (const { id, history } of await entriesOf(world)) {
      expect(history.filter(({ state }) => state === 'running').length, id).toBeLessThanOrEqual(1);
    }
  }

  async function checkRest(world: MemoryWorld, isAnyoneKilled: boolean): Promise<void> {
    await comeToRest(world);
    await checkInvariants(world);
    const { running, pending, open = [] } = await world.process().loop.queue.state('m');
    expect([running, pending, open]).toEqual([undefined, undefined, []]);
    const entries = await entriesOf(world);
    expect(entries.filter(({ state }) => !isTerminal(state))).toEqual([]);
    for (const { id, history } of entries) {
      const ends = history.filter(({ state }) => isTerminal(state)).length;
      const mails = world.notifier.sent.filter(({ fields }) => fields.id === id).length;
      // Who is killed after the mail can't have written that it was sent: then it is sent again.
      expect(mails, id).toBeGreaterThanOrEqual(1);
      if (!isAnyoneKilled) expect(mails, id).toBe(ends);
    }
    if (world.dataset.files.size === 0) return;
    // What is there in the end is not forgotten.
    const { id } = (await world.process().loop.gatekeeper.consider('m')) as { id: string };
    const last = entries.find((entry) => entry.id === id);
    expect(last?.state).not.toBe('superseded');
    if (last?.execution === undefined) expect(last?.reason?.code).toBe('budget-exhausted');
  }

  test('one after the other', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(events(kills), { minLength: 1, maxLength: 14 }), async (sequence) => {
        const world = new MemoryWorld();
        for (const event of sequence) {
          await happen(world, event, () => Promise.resolve());
          await checkInvariants(world);
        }
        await checkRest(
          world,
          sequence.some((event) => event.kind !== 'time' && event.kill !== undefined),
        );
      }),
      { numRuns: 150 },
    );
  }, 240_000);

  test.each([
    { name: 'at the same time', kill: fc.constant(undefined), isAnyoneKilled: false },
    { name: 'at the same time, some of them killed', kill: kills, isAnyoneKilled: true },
  ])(
    '$name',
    async ({ kill, isAnyoneKilled }) => {
      const waves = fc.array(fc.array(events(kill), { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 });
      await fc.assert(
        fc.asyncProperty(waves, fc.scheduler(), async (sequence, scheduler) => {
          const world = new MemoryWorld();
          for (const wave of sequence) {
            const turn = () => scheduler.schedule(Promise.resolve());
            await scheduler.waitFor(Promise.all(wave.map((event) => happen(world, event, turn))));
            await checkInvariants(world);
          }
          await checkRest(world, isAnyoneKilled);
        }),
        { numRuns: 100 },
      );
    },
    240_000,
  );
});
