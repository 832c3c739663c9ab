import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensureVenv } from '../../functions/cli/venv.ts';
import { type LocalAws, startLocalAws } from '../setup/local-aws.ts';
import { type Definition, definitionIn } from './requests.ts';
import { workflowWith } from './workflow.ts';

const CAPACITY = '{"FailureReason":"CapacityError: Unable to provision requested ML compute capacity"}';
const WRONG_DATA = '{"FailureReason":"AlgorithmError: all files are of one class, exit code: 1"}';
/** What becomes of each training of a run; the rest the functions tell by its id. */
const RUNS = {
  better: ['trained'],
  worse: ['trained'],
  'without-capacity': [CAPACITY, CAPACITY, 'trained'],
  'never-capacity': Array.from({ length: 6 }, () => CAPACITY),
  'wrong-data': [WRONG_DATA],
  unlucky: ['trained'],
};

/** The state machine as it is deployed, but that it waits for nothing. */
function impatient(definition: Definition): Definition {
  for (const state of Object.values(definition.States)) {
    for (const retry of state.Retry ?? []) Object.assign(retry, { IntervalSeconds: 1, BackoffRate: 1, MaxAttempts: 1 });
  }
  definition.States.Begin.Result.waitSeconds = 0;
  return definition;
}

let aws: LocalAws;
// biome-ignore lint/suspicious/noExplicitAny: what the executions made is what each test says it is.
let report: { [run: string]: any };

beforeAll(async () => {
  aws = await startLocalAws();
  const python = spawn(await ensureVenv(), [`${import.meta.dirname}/run_workflow.py`], {
    env: { ...process.env, ...aws.env, AWS_DEFAULT_REGION: 'us-east-1' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  python.stdin.end(JSON.stringify({ definition: impatient(definitionIn(workflowWith({}, 'callback'))), runs: RUNS }));
  const [out] = await Promise.all([text(python.stdout), once(python, 'close')]);
  report = JSON.parse(out);
}, 300_000);
afterAll(async () => {
  await aws?.stop();
});

const run = (id: string) => ({ model: 'digits', id, snapshot: `s3://bucket/snapshots/digits/${id}/`, execution: id });

describe('an execution', () => {
  test('of a better model promotes and concludes it', () => {
    const { status, jobs, concluded, output } = report.better;
    expect([status, jobs.length]).toEqual(['SUCCEEDED', 1]);
    const [job] = jobs;
    const trained = { ...run('better'), job, image: expect.any(String), code: 'code/0123abcd' };
    expect(concluded).toEqual([
      {
        ...run('better'),
        job,
        decision: { outcome: 'promote', given: trained },
        promotion: { outcome: 'promoted', version: '2', given: trained },
      },
    ]);
    expect(output.training).toEqual({ job });
  });

  test('of a worse one concludes without promoting', () => {
    const { status, concluded } = report.worse;
    expect([status, concluded.length]).toEqual(['SUCCEEDED', 1]);
    expect(concluded[0]).toMatchObject({ ...run('worse'), decision: { outcome: 'reject' } });
    expect(concluded[0]).not.toHaveProperty('promotion');
  });

  test('without capacity is begun anew under other names, and goes on as any other', () => {
    const { status, jobs, concluded } = report['without-capacity'];
    expect(jobs).toHaveLength(3);
    expect(jobs.map((job: string) => job.replace(/-[0-9a-f]{40}-/, '-…-'))).toEqual([
      'digits-…-0-0',
      'digits-…-1-0',
      'digits-…-2-0',
    ]);
    expect([status, concluded[0].job]).toEqual(['SUCCEEDED', jobs[2]]);
    expect(concluded[0]).not.toHaveProperty('failure');
  });

  test('that never gets any fails after six jobs', () => {
    const { status, jobs, concluded } = report['never-capacity'];
    expect([status, jobs.length, concluded.length]).toEqual(['FAILED', 6, 1]);
    expect(concluded[0].failure.Cause).toContain('CapacityError');
  });

  test('whose training fails by its data does not train again', () => {
    const { status, jobs, concluded } = report['wrong-data'];
    expect([status, jobs.length]).toEqual(['FAILED', 1]);
    expect(concluded).toEqual([{ ...run('wrong-data'), failure: { Error: 'States.TaskFailed', Cause: WRONG_DATA } }]);
  });

  test('that fails waits to be started again, with its reason', () => {
    const waiting = new Map(report.failures.map((message: { id: string }) => [message.id, message]));
    expect([...waiting.keys()].sort()).toEqual(['never-capacity', 'unlucky', 'wrong-data']);
    expect(waiting.get('unlucky')).toMatchObject({
      ...run('unlucky'),
      failure: { Cause: expect.stringContaining('the repository does not answer') },
    });
    expect(report.unlucky.status).toBe('FAILED');
  });
});
