// From nothing to the first answer: sessions of compiled and of plain models, the start of the server and of the function,
// and a large model from S3. It takes 1.5 GB of disk.

import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { servingImageContext } from '../../../infra/images/serving-image.ts';
import { removeStagingFolders } from '../../../infra/images/staging.ts';
import { rounded } from '../figures.ts';
import { publishLarge } from '../large-models.ts';
import { median } from '../load.ts';
import type { Row, Section, Table } from '../section.ts';

const ROOT = join(import.meta.dirname, '../../..');
const DIGITS = join(ROOT, 'model-artifacts/digits');
const ENVIRONMENT = { PATH: process.env.PATH, MALLOC_MMAP_THRESHOLD_: '262144', CI: '1' };
const ALLOCATOR_DEFAULTS = { MALLOC_MMAP_THRESHOLD_: undefined };
const SESSION_ROUNDS = 5;
const START_ROUNDS = 15;
const S3_ROUNDS = 3;
/** Lines like Lambda's after its burst is used up and in the burst, and the most that this machine makes. */
const LINES_MB_PER_S = [75, 200, 600, 0];
const RANGE_BYTES = 8 * 1024 ** 2;
const CONNECTIONS = 8;
/** Rather no figure than a bench that never ends. */
const TRANSFER_TIMEOUT_MS = 120_000;

const run = promisify(execFile);
const least = (values: readonly number[]): number => Math.min(...values);
export default {
  name: 'cold',
  what: 'from nothing to the first answer: sessions, starts, and a large model from S3',
  async run({ quick, scratch, progress }): Promise<Table[]> {
    const repository = join(scratch, 'models');
    mkdirSync(repository, { recursive: true });
    const publish = (model: string): Promise<void> => {
      progress(`making ${model}`);
      return publishLarge(model, repository, scratch);
    };
    const models = quick ? ['resnet50'] : ['resnet50', 'vit_b_16'];
    const sessions: Row[] = [];
    for (const model of models) {
      await publish(model);
      progress(`sessions of ${model}`);
      sessions.push(...(await benchSessions(repository, model, quick ? 1 : SESSION_ROUNDS)));
    }
    progress('starts');
    const starts = await benchStarts(scratch, quick ? 1 : START_ROUNDS);
    await publish('table');
    progress('a large model from S3');
    const s3 = await benchS3(scratch, repository, quick ? 1 : S3_ROUNDS);
    return [
      { title: 'A session in a process of its own, one thread', rows: sessions },
      { title: 'From the start of the process to the first right answer of the digits', rows: starts },
      { title: '350 MB from a server that answers as S3, to the first answer', rows: s3 },
    ];
  },
} satisfies Section;

type Session = { create: number; run: number; peak: number; scores: number[] };

async function benchSessions(repository: string, model: string, rounds: number): Promise<Row[]> {
  const folder = join(repository, model, '1');
  const variants = [
    { variant: 'plain', file: 'model.onnx', prepacking: [], settings: {} },
    // What other servers of ONNX Runtime have.
    {
      variant: "plain, the allocator's defaults",
      file: 'model.onnx',
      prepacking: [],
      settings: ALLOCATOR_DEFAULTS,
    },
    { variant: 'compiled', file: 'compiled/model.ort', prepacking: [], settings: {} },
    { variant: 'compiled, with prepacking', file: 'compiled/model.ort', prepacking: ['1'], settings: {} },
    { variant: 'compiled, without prepacking', file: 'compiled/model.ort', prepacking: ['0'], settings: {} },
  ];
  const measured = variants.map((): Session[] => []);
  // As the server has it for its child processes: the first one compiles, and takes 20 MB for that.
  const env = { ...ENVIRONMENT, NODE_COMPILE_CACHE: join(repository, '../compiled-code') };
  for (let round = 0; round <= rounds; round++) {
    for (const [i, { file, prepacking, settings }] of variants.entries()) {
      const script = [join(ROOT, 'test/bench/cold/session.ts'), join(folder, file), ...prepacking];
      const { stdout } = await run(process.execPath, script, { env: { ...env, ...settings } });
      if (round > 0) measured[i]?.push(JSON.parse(stdout));
    }
  }
  const expected = measured[0]?.[0]?.scores ?? [];
  for (const { scores } of measured.flat()) {
    const isSame = scores.every((score, i) => Math.abs(score - (expected[i] ?? Number.NaN)) < 1e-3);
    if (!isSame) throw new Error(`${model} answers [${scores}]; expected [${expected}]`);
  }
  const medianOf = (i: number, key: 'create' | 'run' | 'peak'): number =>
    median((measured[i] ?? []).map((one) => one[key]));
  return variants.map(({ variant }, i) => ({
    model,
    variant,
    'create ms': rounded(medianOf(i, 'create')),
    'times as fast': rounded(medianOf(0, 'create') / medianOf(i, 'create')),
    'peak MB': rounded(medianOf(i, 'peak')),
    'of plain': rounded(medianOf(i, 'peak') / medianOf(0, 'peak')),
    'run ms': rounded(medianOf(i, 'run')),
  }));
}

/** Milliseconds from the start of each process to its first answer, one after the other, in turns. */
async function benchStarts(scratch: string, rounds: number): Promise<Row[]> {
  const model = join(DIGITS, '1/model.onnx');
  const sample = join(DIGITS, 'samples/request.json');
  const bare = (): Promise<number> =>
    untilLine([join(ROOT, 'test/bench/cold/bare.mjs'), model, sample], {}, 'answered');
  const server = (): Promise<number> =>
    serverStart(
      { MODEL_REPOSITORY: join(ROOT, 'model-artifacts'), XDG_CACHE_HOME: join(scratch, 'cache') },
      'digits',
      sample,
    );
  const call = functionCall(scratch, sample);
  const lambda = (): Promise<number> =>
    untilLine(
      [call],
      {
        MODEL_REPOSITORY: join(scratch, 'task/models'),
        PRELOAD_MODELS: 'digits',
        AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '1769',
      },
      'answered',
    );
  const kinds = { 'bare ONNX Runtime': bare, 'npm start': server, "the function's code": lambda };
  const times = new Map(Object.keys(kinds).map((name) => [name, [] as number[]]));
  for (let round = 0; round <= rounds; round++) {
    for (const [name, start] of Object.entries(kinds)) {
      const ms = await start();
      // The first start compiles.
      if (round > 0) times.get(name)?.push(ms);
    }
  }
  const bareMs = least(times.get('bare ONNX Runtime') ?? []);
  return Array.from(times, ([start, all]) => ({
    start,
    'least ms': rounded(least(all)),
    'median ms': rounded(median(all)),
    'of bare': rounded(least(all) / bareMs),
  }));
}

async function untilLine(args: readonly string[], env: { [name: string]: string }, wanted: string): Promise<number> {
  const started = performance.now();
  const child = spawn(process.execPath, args, {
    env: { ...ENVIRONMENT, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  for await (const chunk of child.stdout) {
    text += chunk;
    if (text.includes(wanted)) break;
  }
  const ms = performance.now() - started;
  if (!text.includes(wanted)) throw new Error(`${args[0]} ended without an answer: ${text}`);
  if (child.exitCode === null) {
    child.kill();
    await once(child, 'exit');
  }
  return ms;
}

/** A script that asks the function's own bundle once. */
function functionCall(scratch: string, sample: string): string {
  const task = join(scratch, 'task');
  const context = servingImageContext({
    architecture: process.arch === 'arm64' ? 'arm64' : 'x86_64',
    bakedRepository: 'model-artifacts',
  });
  for (const part of ['runtime', 'app']) cpSync(join(context, part), task, { recursive: true });
  cpSync(join(context, 'models'), join(task, 'models'), { recursive: true });
  removeStagingFolders();
  const script = join(task, 'call.mjs');
  const event = {
    httpMethod: 'POST',
    path: '/v2/models/digits/infer',
    // What API Gateway always adds.
    multiValueHeaders: {
      'Content-Type': ['application/json'],
      'X-Amzn-Trace-Id': ['Root=1-67891233-abcdef012345678912345678'],
    },
    body: readFileSync(sample, 'utf8'),
    isBase64Encoded: false,
  };
  writeFileSync(join(task, 'event.json'), JSON.stringify(event));
  writeFileSync(
    script,
    `import { readFileSync } from 'node:fs';
import { handler } from './lambda.mjs';
const event = JSON.parse(readFileSync(new URL('event.json', import.meta.url), 'utf8'));
const { statusCode } = await handler(event, { awsRequestId: 'one' });
console.log(statusCode === 200 ? 'answered' : statusCode);
process.exit();`,
  );
  return script;
}

/** Milliseconds until a server that was just started answers a request correctly. */
async function serverStart(env: { [name: string]: string }, model: string, body: string): Promise<number> {
  const port = 20_000 + Math.floor(Math.random() * 20_000);
  const content = readFileSync(body);
  const started = performance.now();
  const args = [join(ROOT, 'node24.mjs'), join(ROOT, 'functions/serve/local.ts')];
  const child = spawn(process.execPath, args, {
    env: { ...ENVIRONMENT, PORT: `${port}`, ...env },
    cwd: ROOT,
    stdio: 'ignore',
  });
  try {
    while ((await statusOf(port, `/v2/models/${model}/infer`, content)) !== 200) {
      if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}`);
      await sleep(2);
    }
    return performance.now() - started;
  } finally {
    // What it keeps for the next start is written by then.
    await sleep(300);
    child.kill();
    if (child.exitCode === null) await once(child, 'exit');
  }
}

function statusOf(port: number, path: string, body: Buffer): Promise<number> {
  return new Promise((resolve) => {
    const sent = request({
      host: '127.0.0.1',
      port,
      path,
      method: 'POST',
      headers: { 'content-length': body.length },
      agent: false,
    });
    sent.on('response', (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    });
    sent.on('error', () => resolve(0));
    sent.end(body);
  });
}

/**
 * A model of 350 MB, from the start of the server's process to its first answer, and the same again with the file that is
 * there by then: the difference is what the download takes, with its hash.
 */
async function benchS3(scratch: string, repository: string, rounds: number): Promise<Row[]> {
  const body = join(scratch, 'table.json');
  writeFileSync(body, JSON.stringify({ inputs: [{ name: 'numbers', datatype: 'INT64', shape: [1], data: [7] }] }));
  const { bytes } = JSON.parse(readFileSync(join(repository, 'table/1/compiled/manifest.json'), 'utf8'));
  const rows: Row[] = [];
  for (const line of LINES_MB_PER_S) {
    const server = spawn(process.execPath, [join(ROOT, 'test/bench/cold/s3.ts'), repository, `${line}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [port] = await once(server.stdout, 'data');
    const endpoint = `http://127.0.0.1:${String(port).trim()}`;
    const lineMs: number[] = [];
    const ours: number[] = [];
    const again: number[] = [];
    for (let round = 0; round < rounds; round++) {
      lineMs.push(await transferMs(endpoint, bytes));
      const cache = join(scratch, 'cache');
      rmSync(join(cache, 'serverless-onnx/table'), { recursive: true, force: true });
      const env = {
        MODEL_REPOSITORY: 's3://bucket',
        AWS_ENDPOINT_URL: endpoint,
        AWS_ACCESS_KEY_ID: 'a',
        AWS_SECRET_ACCESS_KEY: 'b',
        AWS_REGION: 'us-east-1',
        XDG_CACHE_HOME: cache,
        PRELOAD_MODELS: 'table',
      };
      ours.push(await serverStart(env, 'table', body));
      again.push(await serverStart(env, 'table', body));
    }
    server.kill();
    const startMs = least(again);
    const rate = bytes / least(lineMs) / 1000;
    const reached = bytes / (least(ours) - startMs) / 1000;
    rows.push({
      line: line === 0 ? 'no limit' : `${line} MB/s`,
      'measured MB/s': rounded(rate),
      'first answer ms': rounded(least(ours)),
      'of it the start ms': rounded(startMs),
      'MB/s without the start': rounded(reached),
      'of the line': rounded(reached / rate),
    });
  }
  return rows;
}

/** How long the same ranges take over as many connections, each into the same memory again and again: what the line gives. */
async function transferMs(endpoint: string, bytes: number): Promise<number> {
  const script = `
    const starts = Array.from({ length: Math.ceil(${bytes} / ${RANGE_BYTES}) }, (_, i) => i * ${RANGE_BYTES});
    const began = performance.now();
    let open = ${CONNECTIONS};
    for (let i = 0; i < ${CONNECTIONS}; i++) {
      let left = 0;
      const ask = () => {
        const start = starts.shift();
        if (start === undefined) return --open || (console.log(performance.now() - began), process.exit());
        const end = Math.min(${bytes}, start + ${RANGE_BYTES});
        left = -1;
        socket.write('GET /bucket/table/1/compiled/model.ort HTTP/1.1\\r\\nhost: bucket\\r\\nrange: bytes=' + start + '-' + (end - 1) + '\\r\\n\\r\\n');
        size = end - start;
      };
      let size = 0;
      const callback = (count, memory) => {
        // The head comes at once.
        left = left < 0 ? size - count + memory.indexOf('\\r\\n\\r\\n') + 4 : left - count;
        if (left === 0) ask();
      };
      const onread = { buffer: Buffer.alloc(256 * 1024), callback };
      const socket = require('node:net').connect({ host: '127.0.0.1', port: ${new URL(endpoint).port}, onread }, ask);
    }`;
  return Number(execFileSync(process.execPath, ['-e', script], { encoding: 'utf8', timeout: TRANSFER_TIMEOUT_MS }));
}
