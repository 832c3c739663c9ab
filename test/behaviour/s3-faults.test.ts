// What S3 does wrong: whoever was answered before is answered still, and nobody gets another version than the live one.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest';
import { type Client, startServer } from '../setup/edges.ts';
import { type LocalAws, startLocalAws } from '../setup/local-aws.ts';
import { identityInput, infer } from '../setup/requests.ts';

const BUCKET = 'faulty';
const POLL_MS = 1_000;
const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-faults-'));
let aws: LocalAws;
let s3: S3Client;
let proxy: Server;
let fault: Fault | undefined;
let client: Client | undefined;

type Answer = { status: number; headers: Record<string, string>; body: Buffer };
/** What becomes of an answer of S3; undefined: nothing is sent. */
type Fault = (answer: Answer, request: IncomingMessage) => Promise<Answer | undefined> | Answer | undefined;

const error = (status: number, code: string): Answer => ({
  status,
  headers: { 'content-type': 'application/xml' },
  body: Buffer.from(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`),
});
const isModel = ({ url = '' }: IncomingMessage): boolean => url.includes('model.onnx');

const FAULTS: { [name: string]: Fault } = {
  'no answer': () => new Promise(() => {}),
  'connections that break': () => undefined,
  '403 AccessDenied': () => error(403, 'AccessDenied'),
  '404 NoSuchKey': () => error(404, 'NoSuchKey'),
  'a burst of 503 SlowDown': () => error(503, 'SlowDown'),
  'clock skew': () => error(403, 'RequestTimeTooSkewed'),
  'a bucket that is gone': () => error(404, 'NoSuchBucket'),
  'slow bytes': async (answer, request) => {
    if (isModel(request)) await sleep(20_000, undefined, { ref: false });
    return answer;
  },
  'bodies cut short': (answer, request) =>
    isModel(request) ? { ...answer, body: answer.body.subarray(0, answer.body.length / 2) } : answer,
  'another ETag at the next range': (answer, request) => (isModel(request) ? error(412, 'PreconditionFailed') : answer),
  'other bytes under the same name': (answer, request) => {
    if (isModel(request)) answer.body[30] = (answer.body[30] ?? 0) ^ 1;
    return answer;
  },
};

beforeAll(async () => {
  aws = await startLocalAws();
  Object.assign(process.env, aws.env);
  s3 = new S3Client({ forcePathStyle: true });
  await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
  proxy = createServer((request, response) => void passOn(request, response));
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  process.env.AWS_ENDPOINT_URL = `http://127.0.0.1:${(proxy.address() as { port: number }).port}`;
});
afterEach(async () => {
  fault = undefined;
  await client?.close();
});
afterAll(async () => {
  proxy.closeAllConnections();
  proxy.close();
  await aws.stop();
  rmSync(folder, { recursive: true });
});

async function passOn(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const headers = Object.entries(request.headers).filter(([name]) => /^(range|if-)/.test(name)) as [string, string][];
  const found = await fetch(aws.endpoint + request.url, { method: request.method ?? 'GET', headers });
  const kept = [...found.headers].filter(([name]) => /^(etag|content-type|last-modified|x-amz)/.test(name));
  const answer = {
    status: found.status,
    headers: Object.fromEntries(kept),
    body: Buffer.from(await found.arrayBuffer()),
  };
  const { length } = answer.body;
  const sent = fault === undefined ? answer : await fault(answer, request);
  if (sent === undefined) {
    response.destroy();
    return;
  }
  const isWhole = sent.body.length === length || sent.status !== answer.status;
  response.writeHead(sent.status, { ...sent.headers, 'content-length': isWhole ? sent.body.length : length });
  if (request.method === 'HEAD') response.end();
  else if (isWhole) response.end(sent.body);
  else response.write(sent.body, () => setTimeout(() => response.destroy(), 10));
}

const open = (repository: string): Promise<Client> =>
  startServer({
    ...aws.env,
    AWS_ENDPOINT_URL: process.env.AWS_ENDPOINT_URL as string,
    MODEL_REPOSITORY: repository,
    PRELOAD_MODELS: 'warm',
    REPOSITORY_POLL_SECS: `${POLL_MS / 1000}`,
    REQUEST_TIMEOUT_MS: '4000',
    XDG_CACHE_HOME: mkdtempSync(join(folder, 'cache-')),
  });

let nextName = 0;
test.each(Object.entries(FAULTS))('%s', { timeout: 180_000 }, async (_, wrong) => {
  const prefix = `repository-${nextName++}`;
  const Body = readFileSync(join(inject('repository'), 'identity_fp32/1/model.onnx'));
  const sha256 = { 'model.onnx': await sha256Of(Body) };
  for (const model of ['warm', 'cold']) {
    const put = (path: string, content: string | Uint8Array) =>
      s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: `${prefix}/${model}/${path}`, Body: content }));
    // A newer version, which is not live, is what a careless server would fall back to.
    for (const version of ['1', '2']) await put(`${version}/model.onnx`, Body);
    await put('release.json', JSON.stringify({ live: '1', history: [{ version: '1', sha256 }] }));
  }
  client = await open(`s3://${BUCKET}/${prefix}`);
  const ask = async (model: string): Promise<[number, string, string | null]> => {
    const { status, text, headers } = await infer(client as Client, model, identityInput('FP32', [1, 1], [1]));
    return [status, JSON.parse(text).model_version ?? '', headers.get('retry-after')];
  };
  expect(await ask('warm')).toEqual([200, '1', null]);
  fault = wrong;
  const cold = ask('cold');
  for (const end = Date.now() + 2.5 * POLL_MS; Date.now() < end; await sleep(100)) {
    expect(await ask('warm')).toEqual([200, '1', null]);
  }
  expect(await cold).toEqual([503, '', expect.stringMatching(/^\d+$/)]);
  fault = undefined;
  await expect.poll(() => ask('cold'), { timeout: 60_000, interval: 500 }).toEqual([200, '1', null]);
});

async function sha256Of(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return Buffer.from(await crypto.subtle.digest('SHA-256', bytes)).toString('hex');
}
