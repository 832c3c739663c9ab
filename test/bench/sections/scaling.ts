// A large model in one child process and in two: throughput, memory, and whether the server is still there for others.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Failure } from '../../../functions/cli/failure.ts';
import { type ServerProcess, startServer } from '../../setup/edges.ts';
import { middle, rounded } from '../figures.ts';
import { publishLarge } from '../large-models.ts';
import type { Load } from '../load.ts';
import { privateMb, treeOf } from '../processes.ts';
import type { Context, Row, Section, Table } from '../section.ts';
import { closedLoop } from '../wrk.ts';

const BENCH = join(import.meta.dirname, '..');
const MODEL = 'resnet50';
/** How many child processes may compute each at once. */
const PROCESSES = { one: 1, two: 2 };
const CALLERS = 4;
const ROUNDS = 4;
const SECONDS = 10;
const PROBE_ROUNDS = 3;
/** Time for the server to start the child processes that it always has. */
const SETTLE_MS = 3_000;

const run = promisify(execFile);

export default {
  name: 'scaling',
  what: `${MODEL} in one and in two child processes: throughput, memory of its own, and /v2/health/live meanwhile`,
  async run(context): Promise<Table[]> {
    const { quick, scratch, progress } = context;
    const repository = join(scratch, 'models');
    mkdirSync(repository);
    progress(`making ${MODEL}`);
    const configs = Object.entries(PROCESSES).map(([name, count]) => {
      const file = join(scratch, `${name}.pbtxt`);
      writeFileSync(file, `instance_group [ { count: ${count} kind: KIND_CPU } ]`);
      return [name, file] as const;
    });
    await publishLarge(MODEL, repository, scratch, Object.fromEntries(configs));
    const plain = join(repository, 'two/1/model.onnx');
    const session = [join(BENCH, 'cold/session.ts'), plain];
    const { scores } = JSON.parse((await run(process.execPath, session)).stdout);
    const server = await startServer({ MODEL_REPOSITORY: repository, MODEL_CONTROL: 'explicit' });
    try {
      progress('memory');
      const memory = await benchMemory(server, statSync(plain).size, scores, quick ? 3 : SECONDS, scratch);
      await loaded(server, 'one', scores);
      const throughput = await benchThroughput(server, context);
      const live = await benchLive(server, context);
      return [
        { title: `${CALLERS} callers, each with one picture at a time`, rows: throughput },
        { title: `Memory that only this child process has, after ${quick ? 3 : SECONDS} s of requests`, rows: memory },
        { title: 'GET /v2/health/live, a hundred in a second', rows: live },
      ];
    } finally {
      await server.close();
    }
  },
} satisfies Section;

/** A picture as a raw request: a body of nothing but its bytes. */
function picture({ url }: ServerProcess, name: string): Load {
  const pixels = new Float32Array(3 * 224 * 224).map((_, i) => Math.sin(i));
  return {
    url: `${url}/v2/models/${name}/infer`,
    body: new Uint8Array(pixels.buffer),
    headers: { 'inference-header-content-length': '0' },
  };
}

/** Loads the model, and checks its answer against ONNX Runtime's own. */
async function loaded(server: ServerProcess, name: string, scores: readonly number[]): Promise<void> {
  await server.call(`/v2/repository/models/${name}/load`, { method: 'POST' });
  const { url, ...request } = picture(server, name);
  const { status, bytes, text } = await server.call(new URL(url).pathname, request);
  if (status !== 200) throw new Failure(`${name} answered ${status}: ${text.slice(0, 200)}`);
  const answered = scores.map((_, i) => bytes.readFloatLE(bytes.length - 4 * (1000 - i)));
  const isRight = answered.every((score, i) => Math.abs(score - (scores[i] ?? Number.NaN)) < 1e-3);
  if (!isRight) throw new Failure(`${name} answered [${answered}]; expected [${scores}]`);
}

async function benchMemory(
  server: ServerProcess,
  bytes: number,
  scores: readonly number[],
  seconds: number,
  scratch: string,
): Promise<Row[]> {
  // Once it is loaded each of them may have it.
  await sleep(SETTLE_MS);
  const bare = Math.min(...childrenOf(server).map(privateMb));
  await loaded(server, 'two', scores);
  await closedLoop(picture(server, 'two'), CALLERS, seconds, scratch);
  const [first = 0, second = 0] = childrenOf(server)
    .map(privateMb)
    .toSorted((a, b) => b - a);
  const rowOf = (process: string, mb: number): Row => ({
    process,
    MB: rounded(mb),
    'MB of the model': rounded(mb - bare),
    'of its file': rounded(((mb - bare) * 1024 ** 2) / bytes),
  });
  return [rowOf('without a model', bare), rowOf('the first', first), rowOf('the second', second)];
}

function childrenOf({ process: { pid } }: ServerProcess): number[] {
  return treeOf(pid as number).slice(1);
}

async function benchThroughput(server: ServerProcess, { quick, progress, scratch }: Context): Promise<Row[]> {
  const measured: { [name: string]: { perSecond: number; p50: number }[] } = { one: [], two: [] };
  for (let round = 1; round <= (quick ? 1 : ROUNDS); round++) {
    for (const [name, rounds] of Object.entries(measured)) {
      progress(`throughput in ${name}, round ${round}`);
      rounds.push(await closedLoop(picture(server, name), CALLERS, quick ? 3 : SECONDS, scratch));
    }
  }
  const perSecondOf = (name: string): number => middle(measured[name] ?? [], 'perSecond');
  return Object.entries(measured).map(([name, rounds]) => ({
    'child processes': name,
    'requests/s': rounded(perSecondOf(name)),
    'times of one': rounded(perSecondOf(name) / perSecondOf('one')),
    'p50 ms': rounded(middle(rounds, 'p50')),
  }));
}

/** The local server beside one that does nothing else, asked in turns: the difference is ours. */
async function benchLive(server: ServerProcess, { quick, progress, scratch }: Context): Promise<Row[]> {
  const bare = spawn(process.execPath, [join(BENCH, 'scaling/bare-live.ts')], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const [port] = await once(bare.stdout, 'data');
    const urls = [`${server.url}/v2/health/live`, `http://127.0.0.1:${String(port).trim()}/`];
    const seconds = quick ? 2 : SECONDS;
    const probe = async (): Promise<Probed[]> => {
      const prober = [join(BENCH, 'scaling/prober.ts'), String(seconds), ...urls];
      return JSON.parse((await run(process.execPath, prober, { timeout: (seconds + 20) * 1000 })).stdout);
    };
    const busy = async (): Promise<Probed[]> => {
      // It begins before the prober, and ends after it.
      const load = closedLoop(picture(server, 'two'), CALLERS, seconds + 2, scratch);
      const [probed] = await Promise.all([probe(), load]);
      return probed;
    };
    const rows: Row[] = [];
    for (const [load, ask] of Object.entries({ none: probe, [`${MODEL} in two child processes`]: busy })) {
      const rounds: Probed[][] = [];
      for (let round = 1; round <= (quick ? 1 : PROBE_ROUNDS); round++) {
        progress(`/v2/health/live, load: ${load}, round ${round}`);
        rounds.push(await ask());
      }
      for (const [i, name] of ['ours', 'bare node:http'].entries()) {
        const all = rounds.flatMap((one) => one[i] ?? []);
        rows.push({
          load,
          server: name,
          'p50 ms': rounded(middle(all, 'p50')),
          'p99 ms': rounded(middle(all, 'p99')),
        });
      }
    }
    return rows;
  } finally {
    bare.kill();
  }
}

/** A line of test/bench/scaling/prober.ts. */
type Probed = { readonly p50: number; readonly p99: number };
