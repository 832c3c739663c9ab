import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { CustomResourceEvent } from '../../functions/adapters/cloudformation.ts';
import { seedFiles } from '../../functions/adapters/s3-seeder.ts';
import { handler } from '../../functions/serve/seed.ts';
import { type LocalAws, startLocalAws } from '../setup/local-aws.ts';

type Answer = { Status: string; Reason?: string; [field: string]: unknown };

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
let aws: LocalAws;
let s3: S3Client;
let cloudFormation: Server;
const answers: { answer: Answer; type: string | undefined }[] = [];
/** A bucket of its own for each test. */
let Bucket: string;
let count = 0;

beforeAll(async () => {
  aws = await startLocalAws();
  for (const [name, value] of Object.entries(aws.env)) vi.stubEnv(name, value);
  s3 = new S3Client({ forcePathStyle: true });
  await s3.send(new CreateBucketCommand({ Bucket: 'assets' }));
  cloudFormation = createServer(async (request, response) => {
    const answer = JSON.parse((await buffer(request)).toString()) as Answer;
    answers.push({ answer, type: request.headers['content-type'] });
    response.end();
  }).listen(0, '127.0.0.1');
  await once(cloudFormation, 'listening');
});
afterAll(async () => {
  cloudFormation?.close();
  vi.unstubAllEnvs();
  await aws?.stop();
});
beforeEach(async () => {
  count++;
  Bucket = `repository-${count}`;
  await s3.send(new CreateBucketCommand({ Bucket }));
  answers.length = 0;
});

async function put(bucket: string, Key: string, Body: string): Promise<void> {
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body }));
}

/** Files as a deployment brings them: each is an asset under the hash of its content. */
async function assets(contents: { [key: string]: string }) {
  return Promise.all(
    Object.entries(contents).map(async ([key, content]) => {
      await put('assets', sha256(content), content);
      return { key: `models/${key}`, source: `assets/${sha256(content)}`, sha256: sha256(content) };
    }),
  );
}

async function stored(): Promise<{ [key: string]: string }> {
  const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket }));
  const entries = Contents.map(async ({ Key = '' }) => {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }));
    return [Key, await Body?.transformToString()];
  });
  return Object.fromEntries(await Promise.all(entries));
}

/** What CloudFormation gets to know. */
async function send(RequestType: 'Create' | 'Update' | 'Delete', contents: { [key: string]: string }): Promise<Answer> {
  vi.spyOn(console, 'log').mockImplementation(() => {});
  vi.spyOn(console, 'error').mockImplementation(() => {});
  await handler({
    RequestType,
    ResponseURL: `http://127.0.0.1:${(cloudFormation.address() as AddressInfo).port}/`,
    StackId: 'stack',
    RequestId: 'request',
    LogicalResourceId: 'Seed',
    ...(RequestType === 'Create' ? {} : { PhysicalResourceId: 'Seed' }),
    ResourceProperties: { ServiceToken: 'arn', Bucket, Files: await assets(contents) },
  } as unknown as CustomResourceEvent);
  vi.restoreAllMocks();
  const [{ answer, type } = { answer: { Status: 'none' }, type: undefined }, ...others] = answers.splice(0);
  expect(others).toEqual([]);
  // Its address is signed for a request without one.
  expect(type ?? '').toBe('');
  expect(answer).toMatchObject({
    StackId: 'stack',
    RequestId: 'request',
    LogicalResourceId: 'Seed',
    PhysicalResourceId: 'Seed',
  });
  return answer;
}

const digits = {
  'digits/1/model.onnx': 'weights',
  'digits/config.pbtxt': 'name: "digits"',
  'digits/labels.txt': '0\n1',
};
const asStored = (contents: object) =>
  Object.fromEntries(Object.entries(contents).map(([key, text]) => [`models/${key}`, text]));

test('an empty repository gets every file, a model after all that belongs to it', async () => {
  expect(await seedFiles(Bucket, await assets(digits))).toEqual([
    'models/digits/config.pbtxt',
    'models/digits/labels.txt',
    'models/digits/1/model.onnx',
  ]);
  expect(await stored()).toEqual(asStored(digits));
});

test('a deployment creates what is missing and leaves what is there, its own files and others', async () => {
  expect(await send('Create', digits)).toMatchObject({ Status: 'SUCCESS' });
  await put(Bucket, 'models/digits/config.pbtxt', 'changed by hand');
  await put(Bucket, 'models/digits/2/model.onnx', 'retrained');
  expect(await send('Update', { ...digits, 'other/1/model.onnx': 'new' })).toMatchObject({ Status: 'SUCCESS' });
  expect(await stored()).toEqual({
    ...asStored(digits),
    'models/digits/config.pbtxt': 'changed by hand',
    'models/digits/2/model.onnx': 'retrained',
    'models/other/1/model.onnx': 'new',
  });
});

test('a file that is the deployment’s own replaces what is there', async () => {
  const [first] = await assets({ 'digits/training.json': '{}' });
  const [second] = await assets({ 'digits/training.json': '{"spot": true}' });
  if (first === undefined || second === undefined) throw new Error('expected two files');
  expect(await seedFiles(Bucket, [first])).toEqual(['models/digits/training.json']);
  expect(await seedFiles(Bucket, [{ ...second, replace: 'true' }])).toEqual(['models/digits/training.json']);
  expect(await stored()).toEqual({ 'models/digits/training.json': '{"spot": true}' });
  expect(await seedFiles(Bucket, [first])).toEqual([]);
});

test('other bytes under an existing version stop the deployment, which names both hashes', async () => {
  await send('Create', digits);
  const answer = await send('Update', { ...digits, 'digits/1/model.onnx': 'other weights', 'later/1/model.onnx': 'x' });
  expect(answer.Status).toBe('FAILED');
  expect(answer.Reason).toBe(
    `models/digits/1/model.onnx exists with sha256 ${sha256('weights')}, and this deployment brings sha256 ` +
      `${sha256('other weights')}; expected the same bytes under a version that exists: give the model a new version number`,
  );
  expect(await stored()).toEqual(asStored(digits));
});

test('whatever fails is told to CloudFormation, which waits for an answer', async () => {
  Bucket = 'no-such-bucket';
  expect(await send('Create', digits)).toMatchObject({ Status: 'FAILED', Reason: expect.stringMatching(/bucket/i) });
});

test('the models outlive the deployment that brought them', async () => {
  await send('Create', digits);
  expect(await send('Delete', digits)).toMatchObject({ Status: 'SUCCESS' });
  expect(await stored()).toEqual(asStored(digits));
});
