import { expect, test } from 'vitest';
import { RunGroup } from '../../functions/adapters/run-group.ts';

/** Runs of a group, each done when it is told to, and the names of those whose callers went on. */
function runsOf(names: readonly string[]) {
  const group = new RunGroup();
  const went: string[] = [];
  const runs = names.map((name) => {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const added = group.add(() => promise);
    added.then(
      (result) => went.push(result),
      (error: Error) => went.push(error.message),
    );
    return { done: () => resolve(name), fail: () => reject(new Error(`${name} failed`)) };
  });
  return { went, runs };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('who is alone goes on at once', async () => {
  const { went, runs } = runsOf(['one']);
  runs[0]?.done();
  await settled();
  expect(went).toEqual(['one']);
});

test('runs that follow one another go on together, in their order, and so does one that failed', async () => {
  const { went, runs } = runsOf(['one', 'two', 'three']);
  runs[0]?.done();
  runs[1]?.fail();
  await Promise.resolve();
  expect(went).toEqual([]);
  runs[2]?.done();
  await settled();
  expect(went.toSorted()).toEqual(['one', 'three', 'two failed']);
});

test('after a while no further run is waited for', async () => {
  const { went, runs } = runsOf(['one', 'two', 'three']);
  runs[0]?.done();
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(went).toEqual([]);
  runs[1]?.done();
  await settled();
  expect(went.toSorted()).toEqual(['one', 'two']);
  runs[2]?.done();
  await settled();
  expect(went).toContain('three');
});
