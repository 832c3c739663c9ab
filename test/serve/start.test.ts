// What a start loads: each package costs milliseconds of every one.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, expect, inject, test, vi } from 'vitest';
import { startServer } from '../setup/edges.ts';
import { startLocalAws } from '../setup/local-aws.ts';

const ROOT = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-start-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The packages that the server's own process has loaded when it has given its first answer. */
async function packagesOf(environment: { [name: string]: string }, model: string): Promise<string[]> {
  const file = join(folder, model);
  const hook = join(ROOT, 'test/setup/print-imports.ts');
  const server = await startServer({ ...environment, NODE_OPTIONS: `--import=${hook}`, IMPORTS_FILE: file });
  expect((await server.call(`/v2/models/${model}`)).status).toBe(200);
  await server.close();
  return readFileSync(file, 'utf8').split('\n');
}

/** What log lines are written by. */
const LOG = ['atomic-sleep', 'sonic-boom'];
const HTTP = ['hono'];
const RUNTIME = ['onnxruntime-common', 'onnxruntime-node', 'pbf'];

test('a start on a folder loads what its first answer needs, and neither the AWS SDK nor metrics, pages and colours', async () => {
  const packages = await packagesOf({ MODEL_REPOSITORY: join(ROOT, 'model-artifacts') }, 'digits');
  expect(packages).toEqual([...LOG, ...HTTP, ...RUNTIME].sort());
});

test('a start on a bucket does not load the AWS SDK either', { timeout: 90_000 }, async () => {
  const aws = await startLocalAws();
  try {
    const Bucket = 'a-bucket';
    for (const [name, value] of Object.entries(aws.env)) vi.stubEnv(name, value);
    const s3 = new S3Client({ forcePathStyle: true });
    await s3.send(new CreateBucketCommand({ Bucket }));
    const Body = readFileSync(join(inject('repository'), 'identity_fp32/1/model.onnx'));
    await s3.send(new PutObjectCommand({ Bucket, Key: 'models/identity_fp32/1/model.onnx', Body }));
    const environment = { ...aws.env, MODEL_REPOSITORY: `s3://${Bucket}/models`, XDG_CACHE_HOME: folder };
    const packages = await packagesOf(environment, 'identity_fp32');
    expect(packages).toEqual([...LOG, ...HTTP, ...RUNTIME, 'aws4fetch'].sort());
  } finally {
    vi.unstubAllEnvs();
    await aws.stop();
  }
});

test("the function answers without Node's own fetch, which takes longer to load than ONNX Runtime's code", async () => {
  const script = `
    import { readFileSync } from 'node:fs';
    import { readLambdaSettings } from './functions/serve/lambda-env.ts';
    import { startLambdaService } from './functions/serve/lambda-service.ts';
    const log = { info() {}, warn() {}, error() {} };
    const settings = readLambdaSettings({ MODEL_REPOSITORY: process.cwd() + '/model-artifacts', PRELOAD_MODELS: 'digits' });
    const handle = await startLambdaService(settings, { memoryMb: 1769, cache: '', isForSnapshot: false }, log, () => {});
    const body = readFileSync('model-artifacts/digits/samples/request.json', 'utf8');
    const event = { httpMethod: 'POST', path: '/v2/models/digits/infer', multiValueHeaders: {}, body, isBase64Encoded: false };
    const { statusCode } = await handle(event, { awsRequestId: 'one' });
    console.log(statusCode, process.moduleLoadList.filter((name) => name.includes('undici')).join());
    process.exit();`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { cwd: ROOT });
  expect(stdout).toBe('200 \n');
});
