// The Lambda functions of the guards, with Step Functions, SNS and S3 of the local AWS.

import {
  CreateBucketCommand,
  GetObjectCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import {
  CreateStateMachineCommand,
  DescribeExecutionCommand,
  SFNClient,
  StopExecutionCommand,
} from '@aws-sdk/client-sfn';
import { CreateTopicCommand, SNSClient, SubscribeCommand } from '@aws-sdk/client-sns';
import type { SQSEvent } from 'aws-lambda';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { StepFunctionsStarter } from '../../functions/adapters/stepfunctions-starter.ts';
import { handler as conclude } from '../../functions/retrain/lambda/conclude.ts';
import { handler as gatekeeper } from '../../functions/retrain/lambda/gatekeeper.ts';
import { handler as reconcile } from '../../functions/retrain/lambda/reconcile.ts';
import { type LocalAws, startLocalAws } from '../setup/local-aws.ts';
import { pictures, TRAINING } from '../setup/retraining.ts';

const [DATA, ARTIFACTS] = ['some-data', 'some-artifacts'];
const ACCOUNT = '000000000000';
let aws: LocalAws;
let s3: S3Client;
let sfn: SFNClient;
let stateMachine: string;
let queueUrl: string;

beforeAll(async () => {
  aws = await startLocalAws();
  for (const [name, value] of Object.entries(aws.env)) vi.stubEnv(name, value);
  s3 = new S3Client({ forcePathStyle: true });
  for (const Bucket of [DATA, ARTIFACTS]) {
    await s3.send(new CreateBucketCommand({ Bucket }));
    await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }));
  }
  sfn = new SFNClient();
  const waits = { StartAt: 'Wait', States: { Wait: { Type: 'Wait', Seconds: 3_000, End: true } } };
  const made = await sfn.send(
    new CreateStateMachineCommand({
      name: 'trains-m',
      definition: JSON.stringify(waits),
      roleArn: `arn:aws:iam::${ACCOUNT}:role/any`,
    }),
  );
  stateMachine = made.stateMachineArn ?? '';
  const sns = new SNSClient();
  const { TopicArn = '' } = await sns.send(new CreateTopicCommand({ Name: 'people' }));
  queueUrl = /<QueueUrl>(.*)<\/QueueUrl>/.exec(await sqs({ Action: 'CreateQueue', QueueName: 'mails' }))?.[1] ?? '';
  const Endpoint = `arn:aws:sqs:us-east-1:${ACCOUNT}:mails`;
  await sns.send(new SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint }));
  const places = {
    MODEL_REPOSITORY: `s3://${ARTIFACTS}/models`,
    DATASETS: `s3://${DATA}/datasets`,
    SNAPSHOTS: `s3://${ARTIFACTS}/snapshots`,
    STAGING: `s3://${ARTIFACTS}/staging`,
    LEDGER: `s3://${ARTIFACTS}/control/ledger`,
    DECISIONS: `s3://${ARTIFACTS}/control/decisions`,
    BUDGET: `s3://${ARTIFACTS}/control/budget`,
    STATE_MACHINES: JSON.stringify({ m: stateMachine }),
    NOTIFICATION_TOPIC: TopicArn,
  };
  for (const [name, value] of Object.entries(places)) vi.stubEnv(name, value);
  await put(ARTIFACTS, 'models/m/1/model.onnx', 'a model');
  // The files of a test are always a moment old.
  await put(ARTIFACTS, 'models/m/training.json', JSON.stringify({ ...TRAINING, quietSeconds: 0 }));
});
afterAll(async () => {
  await aws.stop();
  vi.unstubAllEnvs();
});

const put = (Bucket: string, Key: string, content: string | Uint8Array) =>
  s3.send(new PutObjectCommand({ Bucket, Key, Body: Buffer.from(content) }));
const sqs = async (fields: Record<string, string>): Promise<string> =>
  (await fetch(aws.endpoint, { method: 'POST', headers: AS_SQS, body: new URLSearchParams(fields) })).text();
const AS_SQS = {
  'content-type': 'application/x-www-form-urlencoded',
  authorization:
    'AWS4-HMAC-SHA256 Credential=test/20261125/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0',
};
/** What people were told since the last time, as SNS wraps it. */
const mails = async (): Promise<{ Subject: string; MessageAttributes: { code?: { Value: string } } }[]> => {
  const found: string[] = [];
  for (;;) {
    const answer = await sqs({ Action: 'ReceiveMessage', QueueUrl: queueUrl, MaxNumberOfMessages: '10' });
    const bodies = [...answer.matchAll(/<Body>(.*?)<\/Body>/gs)].map(([, body = '']) => body);
    if (bodies.length === 0) break;
    found.push(
      ...bodies.map((body) => body.replaceAll('&quot;', '"').replaceAll('&lt;', '<').replaceAll('&amp;', '&')),
    );
  }
  return found.map((body) => JSON.parse(body));
};
const messages = (...keys: string[]): SQSEvent =>
  ({
    Records: keys.map((key, i) => ({
      messageId: `${i}`,
      body: JSON.stringify({ source: 'aws.s3', detail: { bucket: { name: DATA }, object: { key, size: 1 } } }),
    })),
  }) as SQSEvent;
const running = async (): Promise<string | undefined> => {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: ARTIFACTS, Key: 'control/ledger/m/queue.json' }));
  return JSON.parse((await Body?.transformToString()) ?? '{}').running?.id;
};
const upload = async (seed: number): Promise<string[]> => {
  const files = [...pictures(['cat', 'dog'], 10, seed)];
  await Promise.all(files.map(([path, bytes]) => put(DATA, `datasets/m/${path}`, bytes)));
  return files.map(([path]) => `datasets/m/${path}`);
};
const execution = (name: string) => `${stateMachine.replace(':stateMachine:', ':execution:')}:${name}`;

let id = '';

test('messages of an upload start one execution; those of something else are done with', async () => {
  const keys = await upload(0);
  expect(
    await gatekeeper(messages(...keys, ...keys, 'datasets/m%2Fcat/0.png', 'datasets/..%2Fx/1.png', 'other')),
  ).toEqual({
    batchItemFailures: [],
  });
  await gatekeeper(messages(...keys));
  id = String(await running());
  const found = await sfn.send(new DescribeExecutionCommand({ executionArn: execution(id) }));
  expect(JSON.parse(found.input ?? '')).toEqual({ model: 'm', id, snapshot: `s3://${ARTIFACTS}/snapshots/m/${id}/` });
  expect(found.status).toBe('RUNNING');
  expect(await mails()).toEqual([]);
});

test('the same name again starts nothing, while it runs and after it has ended', async () => {
  const starter = new StepFunctionsStarter((model) => (model === 'm' ? stateMachine : undefined));
  const input = { model: 'm', id, snapshot: `s3://${ARTIFACTS}/snapshots/m/${id}/`, rerun: 0 };
  expect(await starter.start(input)).toBe(id);
  expect(await starter.state('m', id)).toBe('running');
  await sfn.send(new StopExecutionCommand({ executionArn: execution(id) }));
  expect(await starter.state('m', id)).toBe('stopped');
  expect(await starter.start(input)).toBe(id);
  expect(await starter.state('m', id)).toBe('stopped');
  expect(await starter.state('m', 'another')).toBeUndefined();
  await expect(starter.start({ ...input, model: 'constructor' })).rejects.toThrow("'constructor' has no state machine");
});

test('an execution that was stopped is concluded by its event, once; a mail says so', async () => {
  const detail = {
    stateMachineArn: stateMachine,
    name: id,
    status: 'ABORTED' as const,
    input: JSON.stringify({ model: 'm', id, snapshot: '' }),
  };
  const event = { 'detail-type': 'Step Functions Execution Status Change' as const, detail };
  expect(await conclude(event)).toEqual({ model: 'm', id, state: 'stopped' });
  const run = { model: 'm', id, snapshot: '', execution: id };
  const failure = { Error: 'AlgorithmError', Cause: 'it failed' };
  expect(await conclude({ ...run, failure })).toEqual({ model: 'm', id, state: 'stopped' });
  expect(await mails()).toMatchObject([
    { Subject: 'm: stopped (stopped)', MessageAttributes: { code: { Value: 'stopped' } } },
  ]);
  expect(await running()).toBeUndefined();
});

test('the reconciler finds an upload without a message; its run ends with a new version', async () => {
  await upload(100);
  await reconcile();
  const second = String(await running());
  expect(second).not.toBe(id);
  const run = {
    model: 'm',
    id: second,
    snapshot: '',
    execution: second,
    job: 'a-job',
    decision: { outcome: 'promote' },
  };
  const promotion = { version: '2', outcome: 'promoted', text: 'version 2 is live' };
  expect(await conclude({ ...run, promotion })).toEqual({ model: 'm', id: second, state: 'promoted' });
  expect((await mails()).map(({ Subject }) => Subject)).toEqual(['m: promoted']);
});

test('where something is out of order the messages come again', async () => {
  await put(ARTIFACTS, 'control/ledger/m/latest.json', 'no JSON');
  const keys = ['datasets/m/cat/0.png', 'datasets/m/cat/1.png'];
  expect(await gatekeeper(messages(...keys, 'datasets/other/cat/0.png'))).toEqual({
    batchItemFailures: [{ itemIdentifier: '0' }, { itemIdentifier: '1' }],
  });
  await expect(reconcile()).rejects.toThrow('1 models could not be reconciled');
});
