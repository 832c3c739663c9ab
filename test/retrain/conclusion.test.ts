import { expect, test } from 'vitest';
import { endedFrom, endedOf } from '../../functions/retrain/conclusion.ts';
import type { ExecutionEnded } from '../../functions/retrain/workflow.ts';

const run = { model: 'm', id: 'an-id', snapshot: 's3://b/snapshots/m/an-id/', execution: 'an-id-r1' };
const decision = { outcome: 'promote', gates: [] };

test.each([
  [
    'a version that serves',
    { ...run, job: 'j', decision, promotion: { version: '3', outcome: 'promoted', text: 'version 3 is live' } },
    { state: 'promoted', version: '3', job: 'j', decision, reason: undefined },
  ],
  [
    'a canary',
    { ...run, job: 'j', decision, promotion: { version: '3', outcome: 'canary', text: 'version 3 gets 10 %' } },
    { state: 'promoted', version: '3', reason: { code: 'canary', text: 'version 3 gets 10 %' } },
  ],
  [
    'a version beside one that is pinned',
    { ...run, job: 'j', decision, promotion: { version: '3', outcome: 'rejected', code: 'pinned', text: 'pinned' } },
    { state: 'rejected', version: '3', reason: { code: 'pinned', text: 'pinned' } },
  ],
  [
    'a model that is not better',
    { ...run, job: 'j', decision: { outcome: 'reject', code: 'accuracy-floor', text: 'accuracy 0.5' } },
    { state: 'rejected', job: 'j', reason: { code: 'accuracy-floor', text: 'accuracy 0.5' } },
  ],
  [
    'a training that failed',
    { ...run, failure: { Error: 'States.TaskFailed', Cause: 'line one\nline two' } },
    {
      state: 'failed',
      reason: { code: 'training-failed', text: 'it ended with States.TaskFailed: line one line two' },
    },
  ],
])('%s', (_, given, expected) => {
  const { model, id, execution, ...ended } = endedOf(given);
  expect([model, id, execution]).toEqual(['m', 'an-id', 'an-id-r1']);
  expect({ reason: undefined, ...ended }).toMatchObject(expected);
});

const event = (detail: Partial<ExecutionEnded['detail']>): ExecutionEnded => ({
  'detail-type': 'Step Functions Execution Status Change',
  detail: { stateMachineArn: 'arn', name: 'an-id', status: 'FAILED', input: JSON.stringify(run), ...detail },
});

test.each([
  [event({ error: 'Lambda.Unknown', cause: 'gone' }), 'failed', 'it ended with Lambda.Unknown: gone'],
  [event({ status: 'TIMED_OUT' }), 'failed', 'it ended with TIMED_OUT'],
  [event({ status: 'ABORTED' }), 'stopped', 'the execution was stopped'],
] as const)('an execution that ended by %j', (given, state, text) => {
  expect(endedFrom(given)).toMatchObject({ model: 'm', id: 'an-id', execution: 'an-id', state, reason: { text } });
});

test('a cause of any length is one short line', () => {
  const { reason } = endedOf({ ...run, failure: { Error: 'E', Cause: `\u001b[31m${'x'.repeat(30_000)}` } });
  expect(reason?.text).toMatch(/^it ended with E: \?\[31mx+\.\.\.$/);
  expect(reason?.text.length).toBeLessThan(1_100);
});

test('an execution that was given no run is an error', () => {
  expect(() => endedFrom(event({ input: '{}' }))).toThrow('was given no model and id');
});
