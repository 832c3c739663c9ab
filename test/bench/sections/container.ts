// The Lambda function's image beside one with the same function in Python, each under AWS's runtime interface emulator, which
// starts the function's process when the first request is there.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { OrtSession } from '../../../functions/adapters/onnxruntime.ts';
import { ALLOCATION } from '../../../functions/adapters/session-memory.ts';
import { Failure } from '../../../functions/cli/failure.ts';
import { removeStagingFolders } from '../../../infra/images/staging.ts';
import { builtBaseImage } from '../../e2e/base-image.ts';
import { bridgeAddress, type Docker, startDocker } from '../../e2e/docker.ts';

import { ourImage, pythonImage } from '../container/images.ts';
import { rounded } from '../figures.ts';
import { publishLarge } from '../large-models.ts';
import { median } from '../load.ts';
import type { Context, Row, Section, Table } from '../section.ts';

const ROOT = join(import.meta.dirname, '../../..');
const ARTIFACTS = join(ROOT, 'model-artifacts');
const DIGITS = join(ARTIFACTS, 'digits/1/model.onnx');
const BAKED = '/var/task/models';
const ROUNDS = 9;
/** Rather no figure than a bench that never ends. */
const LISTEN_TIMEOUT_MS = 20_000;
const ANSWER_TIMEOUT_MS = 60_000;
const LOG_TIMEOUT_MS = 5_000;
/** The emulator itself is ready by then. */
const SETTLE_MS = 300;

type Input = { readonly name: string; readonly shape: readonly number[]; readonly data: Float32Array };
type Asked = { readonly model: string; readonly input: Input; readonly expected: readonly number[] };
type Start = Asked & { readonly runtime: string; readonly what: string; readonly image: string; readonly from: string };
/** Milliseconds. */
type Split = { ready: number; download: number; session: number; run: number; total: number };

export default {
  name: 'container',
  what: 'the Lambda image from the start of its process to its first answer, beside the same function in Python',
  async run(context): Promise<Table[]> {
    const docker = await startedDocker();
    try {
      return [await bench(docker, context)];
    } finally {
      await docker.stop();
    }
  },
} satisfies Section;

async function startedDocker(): Promise<Docker> {
  try {
    return await startDocker();
  } catch (error) {
    throw new Failure(`the images can't be measured: ${(error as Error).message}`);
  }
}

async function bench(docker: Docker, { quick, scratch, progress }: Context): Promise<Table> {
  progress('making resnet50');
  const bucket = join(scratch, 'bucket');
  mkdirSync(bucket);
  await publishLarge('resnet50', bucket, scratch);
  const large = join(bucket, 'resnet50/1/model.onnx');
  const baked = join(scratch, 'baked');
  cpSync(ARTIFACTS, baked, { recursive: true });
  cpSync(join(bucket, 'resnet50'), join(baked, 'resnet50'), { recursive: true });

  progress('making the images');
  const base = builtBaseImage(docker);
  const context = join(scratch, 'python');
  mkdirSync(context);
  const ours = ourImage(docker, base, baked);
  const python = pythonImage(docker, base, baked, context);
  removeStagingFolders();

  // Not published, so that it has no compiled file: as ours would serve it without.
  for (const [model, file] of [
    ['plain', large],
    ['digits', DIGITS],
  ] as const) {
    mkdirSync(join(bucket, model, '1'), { recursive: true });
    cpSync(file, join(bucket, model, '1/model.onnx'));
  }
  const digits = await asked('digits', DIGITS, { name: 'image', shape: [1, 3, 32, 32] });
  const resnet50 = await asked('resnet50', large, { name: 'pixels', shape: [1, 3, 224, 224] });

  const s3 = spawn(process.execPath, [join(ROOT, 'test/bench/cold/s3.ts'), bucket, '0', bridgeAddress(docker)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [port] = await once(s3.stdout, 'data');
    const endpoint = `http://${bridgeAddress(docker)}:${String(port).trim()}`;
    const ofOurs = { runtime: 'Node, ours', image: ours };
    const ofPython = { runtime: 'Python', image: python };
    const starts: Start[] = [
      { ...ofOurs, ...digits, what: 'digits, in the image', from: BAKED },
      { ...ofPython, ...digits, what: 'digits, in the image', from: BAKED },
      { ...ofOurs, ...digits, what: 'digits, from S3', from: 's3://bucket' },
      { ...ofPython, ...digits, what: 'digits, from S3', from: 's3://bucket' },
      { ...ofOurs, ...resnet50, what: 'resnet50, compiled, in the image', from: BAKED },
      { ...ofPython, ...resnet50, what: 'resnet50, plain, in the image', from: BAKED },
      { ...ofOurs, ...resnet50, what: 'resnet50, compiled, from S3', from: 's3://bucket' },
      { ...ofOurs, ...resnet50, model: 'plain', what: 'resnet50, plain, from S3', from: 's3://bucket' },
      { ...ofPython, ...resnet50, model: 'plain', what: 'resnet50, plain, from S3', from: 's3://bucket' },
    ];
    const measured = starts.map((): Split[] => []);
    // The first start of an image reads it from the disk.
    for (let round = 0; round <= (quick ? 1 : ROUNDS); round++) {
      for (const [i, start] of starts.entries()) {
        progress(`round ${round} of ${quick ? 1 : ROUNDS}: ${start.runtime}, ${start.what}`);
        const split = await coldStart(docker, start, endpoint);
        if (round > 0) measured[i]?.push(split);
      }
    }
    return {
      title: 'Milliseconds of the fastest start, from its process to its first answer',
      rows: rowsOf(starts, measured),
    };
  } finally {
    s3.kill();
  }
}

function rowsOf(starts: readonly Start[], measured: readonly Split[][]): Row[] {
  const fastest = measured.map((splits) => splits.toSorted((a, b) => a.total - b.total)[0] as Split);
  return starts.map(({ what, runtime, input, from }, i): Row => {
    const { ready, download, session, run, total } = fastest[i] as Split;
    const peer = starts.findIndex(
      (other) => other.runtime === 'Python' && other.input === input && other.from === from,
    );
    return {
      model: what,
      function: runtime,
      'to ready': rounded(ready),
      'of it download': rounded(download),
      'of it session': rounded(session),
      'first request': rounded(total - ready),
      'of it the run': rounded(run),
      'in all': rounded(total),
      "of Python's": rounded(total / (fastest[peer] as Split).total),
      'in all, median': rounded(median((measured[i] ?? []).map((split) => split.total))),
    };
  });
}

/** What ONNX Runtime alone says to waves of numbers. */
async function asked(model: string, path: string, { name, shape }: Omit<Input, 'data'>): Promise<Asked> {
  const data = new Float32Array(shape.reduce((product, dim) => product * dim, 1)).map((_, i) => Math.sin(i));
  const session = await OrtSession.load(path, {}, 1);
  const outputs = session.outputs.map((output) => output.name);
  const [output] = await session.run([{ name, datatype: 'FP32', shape, data }], outputs.slice(0, 1));
  await session.release();
  return { model, input: { name, shape, data }, expected: Array.from(output?.data as Float32Array) };
}

/** In a container of its own. @throws when the answer is wrong */
async function coldStart(docker: Docker, start: Start, endpoint: string): Promise<Split> {
  const variables = {
    MODEL_REPOSITORY: start.from,
    PRELOAD_MODELS: start.model,
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '1769',
    AWS_ENDPOINT_URL: endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'a',
    AWS_SECRET_ACCESS_KEY: 'b',
    // Ours as it is deployed, the other one as it is by itself.
    ...(start.runtime === 'Python' ? {} : ALLOCATION),
  };
  const env = Object.entries(variables).flatMap(([name, value]) => ['--env', `${name}=${value}`]);
  const id = docker.run('run', '--detach', ...env, start.image).trim();
  try {
    const address = docker.run('inspect', '--format', '{{.NetworkSettings.IPAddress}}', id).trim();
    await listening(address);
    await sleep(SETTLE_MS);
    const startedAt = Date.now();
    const started = performance.now();
    const answer = await invoke(address, eventOf(start));
    const total = performance.now() - started;
    checkAnswer(start, answer);
    return { ...splitOf(await wholeLog(docker, id), startedAt), total };
  } finally {
    docker.run('rm', '--force', id);
  }
}

/** The engine may have the function's last lines after its answer. */
async function wholeLog(docker: Docker, id: string): Promise<string> {
  const end = performance.now() + LOG_TIMEOUT_MS;
  let log = docker.run('logs', id);
  while (!log.includes('"ColdStartFirstRun"') && performance.now() < end) {
    await sleep(50);
    log = docker.run('logs', id);
  }
  return log;
}

/** The lines that both functions write for CloudWatch. */
function splitOf(log: string, startedAt: number): Omit<Split, 'total'> {
  const lines = log.match(/\{"_aws".*\}/g)?.map((line) => JSON.parse(line)) ?? [];
  const line = (metric: string): { [name: string]: number } & { _aws: { Timestamp: number } } => {
    const found = lines.find((one) => metric in one);
    if (found === undefined) throw new Error(`the function's log has no ${metric}: ${log}`);
    return found;
  };
  const loaded = line('ColdStartDownload');
  const ready = lines.find((one) => 'ColdStartInit' in one) ?? loaded;
  return {
    ready: ready._aws.Timestamp - startedAt,
    download: loaded.ColdStartDownload ?? 0,
    session: loaded.ColdStartSession ?? 0,
    run: line('ColdStartFirstRun').ColdStartFirstRun ?? 0,
  };
}

function eventOf({ model, input: { name, shape, data } }: Start): string {
  const parameters = { binary_data_size: data.byteLength };
  const header = Buffer.from(JSON.stringify({ inputs: [{ name, datatype: 'FP32', shape, parameters }] }));
  const aligned = Buffer.concat([header, Buffer.alloc(-header.length & 7, ' ')]);
  return JSON.stringify({
    httpMethod: 'POST',
    path: `/v2/models/${model}/infer`,
    multiValueHeaders: {
      'Content-Type': ['application/octet-stream'],
      'Inference-Header-Content-Length': [`${aligned.length}`],
    },
    body: Buffer.concat([aligned, Buffer.from(data.buffer)]).toString('base64'),
    isBase64Encoded: true,
  });
}

function checkAnswer({ runtime, what, expected }: Start, answer: string): void {
  const { statusCode, body } = JSON.parse(answer);
  const scores: unknown = statusCode === 200 ? JSON.parse(body).outputs[0].data : undefined;
  const isRight =
    Array.isArray(scores) &&
    scores.length === expected.length &&
    scores.every((score, i) => Math.abs(score - (expected[i] ?? Number.NaN)) < 1e-3);
  if (!isRight)
    throw new Error(`${runtime} (${what}) answers ${answer.slice(0, 500)}; expected [${expected.slice(0, 8)}…]`);
}

async function listening(address: string): Promise<void> {
  const end = performance.now() + LISTEN_TIMEOUT_MS;
  while (!(await connects(address))) {
    if (performance.now() > end) throw new Error('the emulator did not listen in time');
    await sleep(20);
  }
}

function connects(host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port: 8080 });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

function invoke(host: string, event: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request({
      host,
      port: 8080,
      path: '/2015-03-31/functions/function/invocations',
      method: 'POST',
      headers: { 'content-length': Buffer.byteLength(event) },
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
      agent: false,
    });
    sent.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve(text)).on('error', reject);
    });
    sent.on('error', reject).end(event);
  });
}
