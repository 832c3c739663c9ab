import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { HeadBucketCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { SFNClient } from '@aws-sdk/client-sfn';
import { SNSClient } from '@aws-sdk/client-sns';
import { SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { httpServer } from '../../functions/adapters/http-server.ts';
import { playgroundPage } from '../../functions/adapters/playground-page.ts';
import { type SignedService, sign } from '../../functions/adapters/sigv4.ts';
import { signingProxy } from '../../functions/cli/signing-proxy.ts';
import { ensureVenv } from '../../functions/cli/venv.ts';
import { type Call, type Reply, rawCall } from '../setup/edges.ts';
import { makeModels } from '../setup/models.ts';
import { LocalDeployment } from './local-deployment.ts';
import { Loop } from './loop.ts';
import { type Started, testRetraining } from './retraining.ts';
import { type Pictures, realDigits, some, withPage } from './uploads.ts';

const ROOT = join(import.meta.dirname, '../..');
const DIGITS = join(ROOT, 'model-artifacts/digits');
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');
const SAMPLE = join(DIGITS, 'samples/request.json');
const INFER = '/v2/models/digits/infer';
const sample = readFileSync(SAMPLE, 'utf8');
/** A new version is found after at most 30 s. */
const SOON_MS = 60_000;

let deployment: LocalDeployment;
let outputs: { [output: string]: string };
let s3: S3Client;
let digits: Pictures;
let loop: Loop;
/** The id of an upload, of files alone: it is quiet, and looked at, 2 minutes later, while the first tests run. */
let filesAlone: string;
let url: URL;
let service: SignedService;
/** Signs, as `npm run connect` does. */
let proxy: Server;
let address: string;
let models: Awaited<ReturnType<typeof makeModels>>;

const call = (path: string, options?: Call): Promise<Reply> => rawCall(`http://${address}`, path, options);

beforeAll(async () => {
  models = await makeModels();
  deployment = await LocalDeployment.start();
  const {
    AWS_REGION: region = '',
    AWS_ACCESS_KEY_ID: accessKeyId = '',
    AWS_SECRET_ACCESS_KEY: secretAccessKey = '',
  } = deployment.aws.env;
  const credentials = { accessKeyId, secretAccessKey };
  const settings = { region, credentials, endpoint: deployment.aws.endpoint };
  s3 = new S3Client({ ...settings, forcePathStyle: true });
  digits = await realDigits();
  deployment.synth();
  deployment.cdk('bootstrap');
  deployment.buildImages();
  outputs = deployment.deploy();
  const clients = { s3, sqs: new SQSClient(settings), sfn: new SFNClient(settings), sns: new SNSClient(settings) };
  loop = await Loop.open({ outputs, clients });
  filesAlone = await loop.uploads.files(withPage(some(digits)));
  url = deployment.urlOf(outputs.ApiUrl ?? '');
  service = { service: 'execute-api', region, credentials };
  proxy = httpServer(signingProxy({ url, region, credentials: async () => credentials }, playgroundPage));
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  address = `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
});
afterAll(async () => {
  try {
    await loop?.close();
  } finally {
    proxy?.close();
    models?.remove();
    await deployment?.stop();
  }
});

async function upload(key: string, body: string | Uint8Array): Promise<void> {
  await s3.send(new PutObjectCommand({ Bucket: outputs.ModelBucket, Key: `models/${key}`, Body: body }));
}

/** The versions that answer, in their order, until this one does; every request is answered. */
async function versionsUntil(version: string): Promise<string[]> {
  const versions = new Set<string>();
  for (const end = Date.now() + SOON_MS; Date.now() < end && !versions.has(version); await sleep(500)) {
    const answer = await call(INFER, { body: sample });
    expect([answer.status, answer.text]).toEqual([200, expect.any(String)]);
    versions.add(JSON.parse(answer.text).model_version);
  }
  return [...versions];
}

/** What the function has written, with the emulator's own lines. */
const written = (): string =>
  deployment
    .containers()
    .map((id) => deployment.docker.run('logs', id))
    .join('');

test('the deployment says where the API and the buckets are', () => {
  expect(outputs).toMatchObject({
    ApiUrl: expect.stringMatching(/^https:\/\/\w+\.execute-api\.us-east-1\.amazonaws\.com\/api$/),
    ModelBucket: expect.stringContaining('repository'),
    DatasetBucket: expect.stringContaining('datasets'),
    AlarmTopic: expect.stringMatching(/^arn:aws:sns:/),
  });
});

test('the repository holds the models of model-artifacts, and the program that trains', async () => {
  const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: outputs.ModelBucket }));
  const keys = Contents.map(({ Key = '' }) => Key);
  const program = readdirSync(join(ROOT, 'functions/train')).filter((file) => file.endsWith('.py'));
  expect(keys.flatMap((key) => /^code\/[0-9a-f]{16}\/(.*)/.exec(key)?.[1] ?? [])).toEqual(program.sort());
  expect(keys.filter((key) => !key.startsWith('code/'))).toEqual([
    'models/digits/1/golden.json',
    'models/digits/1/metrics.json',
    'models/digits/1/model.onnx',
    'models/digits/1/report.html',
    'models/digits/config.pbtxt',
    'models/digits/evaluation.tar',
    'models/digits/labels.txt',
    ...['five', 'seven', 'three', 'two', 'zero'].map((name) => `models/digits/samples/${name}.png`),
    'models/digits/training.json',
  ]);
});

test('without a signature nothing is answered', async () => {
  const answer = await fetch(new URL(`.${INFER}`, url), {
    method: 'POST',
    body: sample,
  });
  expect(answer.status).toBe(403);
  expect(await answer.json()).toEqual({ error: expect.stringContaining('no signature') });
});

test('a cold call and a warm one, each with its line of metrics', async () => {
  expect(deployment.containers()).toHaveLength(0);
  const answer = await call(INFER, { body: sample });
  expect([answer.status, answer.text]).toEqual([200, expect.stringContaining('"0.998508:7:7"')]);
  const cold = written();
  for (const metric of [
    'ColdStartInit',
    'ColdStartDownload',
    'ColdStartSession',
    'ColdStartFirstRun',
    'RequestDuration',
  ]) {
    expect(cold.split(`"Name":"${metric}"`)).toHaveLength(2);
  }
  const again = await call(INFER, { body: sample });
  expect([again.status, again.text]).toEqual([200, answer.text]);
  expect(deployment.containers()).toHaveLength(1);
  expect(written().split('"Name":"ColdStartInit"')).toHaveLength(2);
  expect(written().split('"Name":"RequestDuration"')).toHaveLength(3);
});

test("the README's signed curl", async () => {
  const [, command = ''] = /^```sh\n(curl [^`]*--aws-sigv4[^`]*)^```/m.exec(README) ?? [];
  const env = { ...process.env, ...deployment.aws.env, API_URL: url.href.replace(/\/$/, ''), AWS_SESSION_TOKEN: '' };
  const { stdout } = await promisify(execFile)('bash', ['-c', command], { cwd: ROOT, env });
  expect(JSON.parse(stdout)).toMatchObject({ model_name: 'digits', outputs: [{ shape: [1, 3] }] });
});

test('metadata of the server and of a model', async () => {
  const server = await call('/v2');
  expect([server.status, JSON.parse(server.text)]).toEqual([200, expect.objectContaining({ name: 'serverless-onnx' })]);
  const model = await call('/v2/models/digits');
  expect(JSON.parse(model.text)).toEqual({
    name: 'digits',
    versions: ['1'],
    platform: 'onnxruntime_onnx',
    inputs: [{ name: 'image', datatype: 'FP32', shape: [-1, 3, 32, 32] }],
    outputs: [{ name: 'probabilities', datatype: 'FP32', shape: [-1, 10] }],
  });
});

test('binary tensors, both ways', async () => {
  const [{ data, shape }] = JSON.parse(sample).inputs as [{ data: number[]; shape: number[] }];
  const bytes = Buffer.from(Float32Array.from(data.flat(Number.POSITIVE_INFINITY)).buffer);
  const header = JSON.stringify({
    inputs: [{ name: 'image', datatype: 'FP32', shape, parameters: { binary_data_size: bytes.length } }],
    outputs: [{ name: 'probabilities', parameters: { binary_data: true } }],
  });
  const answer = await call(INFER, {
    headers: { 'Inference-Header-Content-Length': `${header.length}` },
    body: Buffer.concat([Buffer.from(header), bytes]),
  });
  expect([answer.status, answer.text]).toEqual([200, expect.any(String)]);
  const length = Number(answer.headers.get('inference-header-content-length'));
  const probabilities = new Float32Array(new Uint8Array(answer.bytes.subarray(length)).buffer);
  const golden = JSON.parse(readFileSync(join(DIGITS, '1/golden.json'), 'utf8'));
  const [{ data: expected }] = golden.response.outputs as [{ data: number[] }];
  expect(Array.from(probabilities)).toEqual(expected.map((value) => expect.closeTo(value, 5)));
});

test('tritonclient, unmodified', async () => {
  const script = join(import.meta.dirname, 'call_tritonclient.py');
  const { stdout } = await promisify(execFile)(await ensureVenv(), [script, address, SAMPLE]);
  expect(JSON.parse(stdout)).toEqual({
    ready: true,
    extensions: expect.arrayContaining(['binary_tensor_data']),
    inputs: [{ name: 'image', datatype: 'FP32', shape: [-1, 3, 32, 32] }],
    index: [{ name: 'digits', version: '1', state: 'READY' }],
    shape: [1, 10],
    digit: 7,
  });
});

describe('what can not be answered', () => {
  test('an unknown model', async () => {
    const answer = await call('/v2/models/nobody/infer', { body: sample });
    expect([answer.status, JSON.parse(answer.text)]).toEqual([404, { error: expect.stringContaining("'nobody'") }]);
  });

  test('a body that is too large, once it is decompressed', async () => {
    const answer = await call(INFER, {
      headers: { 'Content-Encoding': 'gzip' },
      body: gzipSync(Buffer.alloc(70 * 1024 ** 2)),
    });
    expect([answer.status, JSON.parse(answer.text)]).toEqual([413, { error: expect.stringContaining('67108864') }]);
  });

  test('a mistake, and the next request works', async () => {
    const wrong = await call(INFER, { body: sample.replace('FP32', 'FP64') });
    expect([wrong.status, JSON.parse(wrong.text)]).toEqual([400, { error: expect.stringContaining('FP64') }]);
    expect((await call(INFER, { body: sample })).status).toBe(200);
  });
});

describe('models that come after the deployment', () => {
  const model = (name: string): Buffer => readFileSync(join(models.folder, name, '1/model.onnx'));
  let before: { images: string[]; containers: string[] };

  beforeAll(() => {
    before = { images: deployment.imagesInUse(), containers: deployment.containers() };
    expect(before.images).toHaveLength(1);
  });

  test('a new model is served as soon as it is there', async () => {
    await upload('scaled/1/model.onnx', model('identity_fp32'));
    const body = JSON.stringify({ inputs: [{ name: 'INPUT0', datatype: 'FP32', shape: [1, 4], data: [1, 2, 3, 4] }] });
    const answer = await call('/v2/models/scaled/infer', { body });
    expect([answer.status, JSON.parse(answer.text)]).toMatchObject([
      200,
      { model_version: '1', outputs: [{ data: [1, 2, 3, 4] }] },
    ]);
  });

  test('an answer above what Lambda returns is 413, and says so', async () => {
    const values = new Float32Array(2 * 1024 ** 2);
    const header = JSON.stringify({
      inputs: [
        {
          name: 'INPUT0',
          datatype: 'FP32',
          shape: [1, values.length],
          parameters: { binary_data_size: values.byteLength },
        },
      ],
      parameters: { binary_data_output: true },
    });
    const headers = { 'Inference-Header-Content-Length': `${header.length}`, 'Content-Encoding': 'gzip' };
    const body = gzipSync(Buffer.concat([Buffer.from(header), Buffer.from(values.buffer)]));
    const path = '/v2/models/scaled/infer';
    // Compressed it fits.
    const compressed = await call(path, { headers, body });
    expect(compressed.status).toBe(200);
    expect(compressed.bytes.length).toBeGreaterThan(values.byteLength);
    const plain = new Headers({
      ...headers,
      'Accept-Encoding': 'identity',
      'Content-Type': 'application/octet-stream',
    });
    const answer = await fetch(await sign(service, 'POST', new URL(`.${path}`, url), plain, new Uint8Array(body)));
    expect([answer.status, await answer.json()]).toEqual([413, { error: expect.stringContaining('6 MB') }]);
  });

  test('a new version takes over without a failed request', async () => {
    await upload('digits/2/model.onnx', readFileSync(join(DIGITS, '1/model.onnx')));
    expect(await versionsUntil('2')).toEqual(['1', '2']);
  });

  test('a rollback is one write of release.json', async () => {
    await upload('digits/release.json', '{"live": "1"}');
    expect(await versionsUntil('1')).toEqual(['2', '1']);
  });

  test('with the same stack, the same image and the same environment', () => {
    expect(deployment.imagesInUse()).toEqual(before.images);
    expect(deployment.containers()).toEqual(before.containers);
    deployment.synth();
    expect(deployment.cdk('diff', '--fail')).not.toMatch(/\[[-+~]\]/);
  });
});

describe('an upload retrains the model', () => {
  const started = (): Started => {
    const env = { ...deployment.aws.env, MODEL_REPOSITORY: `s3://${outputs.ModelBucket}/models` };
    return { loop, digits, withPage: filesAlone, env, versionsUntil };
  };
  testRetraining(started, { before: '1', after: '3' });
});

test('a second deployment changes nothing: what was added stays', async () => {
  deployment.deploy();
  const answer = await call(INFER, { body: sample });
  expect(JSON.parse(answer.text)).toMatchObject({ model_version: '3' });
  expect(JSON.parse((await call('/v2/models/scaled')).text)).toMatchObject({ versions: ['1'] });
});

test('destroyed, the API is gone and the buckets stay', async () => {
  // Its queue goes, too.
  await loop.close();
  const said = deployment.cdk('destroy', '--all', '--force');
  for (const bucket of ['Repository', 'Datasets', 'AccessLogs']) {
    expect(said).toMatch(new RegExp(`DELETE_SKIPPED .* ${bucket} `));
  }
  expect((await call('/v2')).status).toBeGreaterThanOrEqual(400);
  for (const Bucket of [outputs.ModelBucket, outputs.DatasetBucket]) {
    expect((await s3.send(new HeadBucketCommand({ Bucket }))).$metadata.httpStatusCode).toBe(200);
  }
});
