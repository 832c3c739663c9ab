// `npm run retrain -- … --deployed`, as a process: S3, Step Functions, SQS and SNS of the local AWS, found by the outputs of a deployment.

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CreateBucketCommand, PutBucketVersioningCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { CreateStateMachineCommand, DescribeExecutionCommand, SFNClient } from '@aws-sdk/client-sfn';
import { CreateTopicCommand, SNSClient } from '@aws-sdk/client-sns';
import {
  CreateQueueCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  PurgeQueueCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { repositoryAt } from '../../functions/cli/models/repository.ts';
import { Ledger, type LedgerEntry } from '../../functions/retrain/ledger.ts';
import { type LocalAws, startLocalAws } from '../setup/local-aws.ts';
import { pictures, TRAINING } from '../setup/retraining.ts';

const COMMAND = join(import.meta.dirname, '../../functions/cli/retrain.ts');
const [DATA, ARTIFACTS] = ['deployed-data', 'deployed-artifacts'];
const MODEL = 'my-model';
const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-deployed-'));
let aws: LocalAws;
let s3: S3Client;
let sfn: SFNClient;
let sqs: SQSClient;
let stateMachine: string;
let QueueUrl: string;

beforeAll(async () => {
  aws = await startLocalAws();
  for (const [name, value] of Object.entries({ ...aws.env, XDG_CACHE_HOME: join(folder, 'cache') })) {
    vi.stubEnv(name, value);
  }
  [s3, sfn, sqs] = [new S3Client({ forcePathStyle: true }), new SFNClient(), new SQSClient()];
  for (const Bucket of [DATA, ARTIFACTS]) {
    await s3.send(new CreateBucketCommand({ Bucket }));
    await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }));
  }
  const waits = { StartAt: 'Wait', States: { Wait: { Type: 'Wait', Seconds: 3_000, End: true } } };
  const made = await sfn.send(
    new CreateStateMachineCommand({
      name: 'trains',
      definition: JSON.stringify(waits),
      roleArn: 'arn:aws:iam::000000000000:role/any',
    }),
  );
  stateMachine = made.stateMachineArn ?? '';
  const topic = await new SNSClient().send(new CreateTopicCommand({ Name: 'people' }));
  QueueUrl = (await sqs.send(new CreateQueueCommand({ QueueName: 'failed' }))).QueueUrl ?? '';
  const outputs = {
    ServerlessOnnxModels: { ModelBucket: ARTIFACTS, DatasetBucket: DATA },
    ServerlessOnnxRetraining: {
      StateMachinemymodel: stateMachine,
      RetrainingTopic: topic.TopicArn,
      FailedRuns: QueueUrl,
    },
  };
  writeFileSync(join(folder, 'cdk-outputs.json'), JSON.stringify(outputs));
  await put(ARTIFACTS, `models/${MODEL}/1/model.onnx`, 'a model');
  await put(ARTIFACTS, `models/${MODEL}/training.json`, JSON.stringify(TRAINING));
});
afterAll(async () => {
  await aws.stop();
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const put = (Bucket: string, Key: string, content: string | Uint8Array) =>
  s3.send(new PutObjectCommand({ Bucket, Key, Body: Buffer.from(content) }));
const upload = (seed: number) =>
  Promise.all(
    [...pictures(['cat', 'dog'], 10, seed)].map(([path, bytes]) => put(DATA, `datasets/${MODEL}/${path}`, bytes)),
  );
const executionState = async (name: string): Promise<string | undefined> => {
  const executionArn = `${stateMachine.replace(':stateMachine:', ':execution:')}:${name}`;
  return (await sfn.send(new DescribeExecutionCommand({ executionArn }))).status;
};

type Ended = { code: number; stdout: string; stderr: string };

async function retrain(...args: string[]): Promise<Ended> {
  const command = [COMMAND, ...args, '--deployed'];
  try {
    return { code: 0, ...(await promisify(execFile)(process.execPath, command, { cwd: folder })) };
  } catch (error) {
    return error as Ended;
  }
}

async function json(...args: string[]) {
  const { code, stdout, stderr } = await retrain(...args, '--json');
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout);
}

let id: string;

describe('a deployment', () => {
  test('start looks at the data as they are, without waiting, and starts the state machine', async () => {
    expect(await retrain('start', MODEL)).toMatchObject({ code: 1, stderr: expect.stringContaining('has no data') });
    await upload(0);
    const [entry] = await json('start', MODEL);
    expect(entry).toMatchObject({ model: MODEL, state: 'running', execution: entry.id });
    id = entry.id;
    expect(await executionState(id)).toBe('RUNNING');
    const again = await retrain('start', MODEL);
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining(`upload ${id}, which is running`)]);
    expect(await retrain('start', MODEL, id)).toMatchObject({
      code: 1,
      stderr: `retrain: ${id} is running; expected one that has ended\n`,
    });
  });

  test('status and history tell how it stands', async () => {
    await upload(100);
    const [waiting] = await json('start', MODEL);
    expect(waiting).toMatchObject({ state: 'pending' });
    expect(await json('status')).toMatchObject([
      { model: MODEL, live: '1', running: { id }, pending: { id: waiting.id }, jobs: { started: 1, allowed: 3 } },
    ]);
    const { stdout } = await retrain('status', MODEL);
    expect(stdout).toMatch(new RegExp(`my-model +1 +${id}, since 20\\S+Z +${waiting.id} .*1 of 3`));
    expect((await json('history', MODEL)).map((entry: LedgerEntry) => entry.id)).toEqual([id, waiting.id]);
    expect((await retrain('history', MODEL)).stdout).toMatch(new RegExp(`${id} .* 20 +running`));
    expect(await retrain('history', 'nothing')).toMatchObject({ code: 1 });
  });

  test('stop ends the execution, tells people, and starts what has waited', async () => {
    const [, waiting] = (await json('history', MODEL)) as LedgerEntry[];
    const { code, stdout } = await retrain('stop', MODEL);
    expect([code, stdout]).toEqual([0, `${MODEL}: upload ${id} is stopped (stopped)\n`]);
    expect(await executionState(id)).toBe('ABORTED');
    expect(await executionState(waiting?.id ?? '')).toBe('RUNNING');
    const [stopped] = (await json('history', MODEL)) as LedgerEntry[];
    expect(stopped).toMatchObject({ state: 'stopped', notice: { sent_at: expect.any(String) } });
    expect((await json('stop', MODEL)).id).toBe(waiting?.id);
    expect(await retrain('stop', MODEL)).toMatchObject({ code: 1, stderr: `retrain: '${MODEL}' is not trained now\n` });
  });

  test('start with an upload trains on it once more, under another name', async () => {
    expect(await json('start', MODEL, id)).toMatchObject([{ id, state: 'running', execution: `${id}-r1` }]);
    expect(await executionState(`${id}-r1`)).toBe('RUNNING');
  });

  test('redrive starts what waits in the queue of failed runs, once, and leaves those of other models', async () => {
    expect(await json('redrive')).toEqual([]);
    const execution = `${id}-r1`;
    const ledger = new Ledger(await repositoryAt(`s3://${ARTIFACTS}/control/ledger`));
    const reason = { code: 'training-failed', text: 'it ended with AlgorithmError' };
    await ledger.change(MODEL, id, () => true, 'failed', { reason }, new Date());
    await put(ARTIFACTS, `models/${MODEL}/training.json`, JSON.stringify({ ...TRAINING, dailyJobs: 10 }));
    const send = (model: string) =>
      sqs.send(
        new SendMessageCommand({
          QueueUrl,
          MessageBody: JSON.stringify({
            model,
            id,
            snapshot: 's3://…',
            execution,
            failure: { Error: 'a', Cause: 'b' },
          }),
        }),
      );
    // A queue may deliver a message twice.
    for (const model of [MODEL, MODEL, 'another']) await send(model);
    const { code, stdout, stderr } = await retrain('redrive', MODEL);
    expect([code, stdout]).toEqual([0, `${MODEL}: upload ${id} is running\n`]);
    expect(stderr).toContain(`${MODEL}: ${id} was started again before, and is running`);
    expect(await executionState(`${id}-r2`)).toBe('RUNNING');
    const AttributeNames = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'] as const;
    const { Attributes } = await sqs.send(
      new GetQueueAttributesCommand({ QueueUrl, AttributeNames: [...AttributeNames] }),
    );
    const left = AttributeNames.reduce((sum, name) => sum + Number(Attributes?.[name]), 0);
    expect(left).toBe(1);
    await sqs.send(new PurgeQueueCommand({ QueueUrl }));
  });

  test('a model without a state machine, and AWS that refuses, are sentences', async () => {
    await put(ARTIFACTS, 'models/other/training.json', JSON.stringify(TRAINING));
    await Promise.all(
      [...pictures(['cat', 'dog'], 10, 500)].map(([path, bytes]) => put(DATA, `datasets/other/${path}`, bytes)),
    );
    const { code, stderr } = await retrain('start', 'other');
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^retrain: 'other' has no state machine/)]);
    await sqs.send(new DeleteQueueCommand({ QueueUrl }));
    const refused = await retrain('redrive');
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/^retrain: .*queue.*\n$/)]);
  });
});

describe('what can not be understood ends with exit code 2 and a sentence', () => {
  test.each([
    [['status', '--work', 'x'], '--deployed and --work are both given; expected one'],
    [['status', '-r', 'x'], '--deployed and --repository are both given; expected one'],
    [['watch'], '--deployed has nothing to watch'],
    [['start', MODEL, 'x'], "upload is 'x'; expected 16 hexadecimal digits"],
    [['stop'], "missing required argument 'model'"],
    [['stop', '../m'], "model is '../m'; expected up to 128 letters"],
  ])('%j', async (args, sentence) => {
    const { code, stderr } = await retrain(...args);
    expect([code, stderr]).toEqual([2, expect.stringContaining(sentence)]);
  });

  test('a folder from which nothing was deployed; a quiet time that is none', async () => {
    const empty = join(folder, 'empty');
    mkdirSync(empty);
    const run = (...args: string[]): Promise<Ended> =>
      promisify(execFile)(process.execPath, [COMMAND, ...args], { cwd: empty }).then(
        (ended) => ({ code: 0, ...ended }),
        (error: Ended) => error,
      );
    const nothing = expect.stringContaining('nothing was deployed from this folder; expected a deployment of a model');
    expect(await run('status', '--deployed')).toMatchObject({ code: 2, stderr: nothing });
    const wrong = expect.stringContaining("--quiet-seconds is '1.5'; expected a whole number from 0 to 900");
    expect(await run('watch', '-r', '.', '--quiet-seconds', '1.5')).toMatchObject({ code: 2, stderr: wrong });
    expect(await run('status', '-r', '.')).toMatchObject({ code: 0, stdout: 'no models\n' });
  });
});
