import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Failure } from '../../../functions/cli/failure.ts';
import { rawCall } from '../../setup/edges.ts';
import { median } from '../load.ts';
import { memoryMb, processorSeconds, treeOf } from '../peers/processes.ts';
import { benchPython } from '../peers/venv.ts';
import type { Context, Row, Section, Table } from '../section.ts';

const ROOT = join(import.meta.dirname, '../../..');
const PEERS = join(ROOT, 'test/bench/peers');
const DIGITS = join(ROOT, 'model-artifacts/digits');
const CORES = availableParallelism();
const CALLERS = [1, 8, 64];
const ROUNDS = 5;
const SECONDS = 3;
const STARTS = 5;
const START_TIMEOUT_MS = 60_000;
const OURS = 'serverless-onnx, inline';

type Format = 'JSON' | 'binary';
type Request = { readonly body: Buffer; readonly headers: { [name: string]: string } };
type Peer = {
  readonly name: string;
  readonly command: readonly string[];
  readonly environment: (port: number) => { [name: string]: string };
  /** Undefined where it has no such request. */
  readonly requests: { readonly [format in Format]?: Request };
};
type Running = { readonly peer: Peer; readonly url: string; readonly pid: number; readonly startMs: number };
/** Requests per second, milliseconds, and microseconds of processor time per request. */
type Measured = { perSecond: number; p50: number; p99: number; cpu: number };

/** Servers are groups of their own, which a Ctrl-C does not reach. */
const groups = new Set<number>();
process.on('exit', () => {
  for (const group of groups) {
    try {
      process.kill(group, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
});

const run = promisify(execFile);
const rounded = (value: number): number => Number(value.toPrecision(3));

export default {
  name: 'peers',
  what: `the digits on ${CORES} cores: the local server beside other servers of the same model, one thread of ONNX Runtime each`,
  async run(context): Promise<Table[]> {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
    const golden = JSON.parse(readFileSync(join(DIGITS, '1/golden.json'), 'utf8'));
    const peers = await peersOf(golden.request, context.scratch);
    const expected: number[] = await expectedScores(peers[0] as Peer);
    const starts = new Map<string, number[]>();
    for (let round = 1; round < (context.quick ? 1 : STARTS); round++) {
      for (const peer of peers) {
        context.progress(`start of ${peer.name}, round ${round}`);
        const running = await start(peer, expected);
        starts.set(peer.name, [...(starts.get(peer.name) ?? []), running.startMs]);
        await stop(running);
      }
    }
    const running: Running[] = [];
    try {
      for (const peer of peers) running.push(await start(peer, expected));
      const tables: Table[] = [];
      for (const format of ['JSON', 'binary'] as const) tables.push(...(await load(running, format, context)));
      const once = running.map(({ peer, pid, startMs }): Row => {
        const tree = treeOf(pid);
        return {
          server: peer.name,
          'start ms': Math.round(median([...(starts.get(peer.name) ?? []), startMs])),
          'memory MB': Math.round(memoryMb(tree)),
          processes: tree.length,
        };
      });
      return [...tables, { title: 'From the start to the first right answer; memory after all requests', rows: once }];
    } finally {
      await Promise.all(running.map(stop));
    }
  },
} satisfies Section;

type Golden = { inputs: [{ name: string; datatype: string; shape: number[]; data: number[] }] };

async function peersOf({ inputs: [input] }: Golden, scratch: string): Promise<Peer[]> {
  const python = benchPython();
  const model = join(DIGITS, '1/model.onnx');
  const isolated = join(scratch, 'isolated');
  mkdirSync(join(isolated, 'digits/1'), { recursive: true });
  cpSync(join(DIGITS, 'config.pbtxt'), join(isolated, 'digits/config.pbtxt'));
  cpSync(join(DIGITS, 'labels.txt'), join(isolated, 'digits/labels.txt'));
  await run(python, [join(PEERS, 'isolated_copy.py'), model, join(isolated, 'digits/1/model.onnx')]);

  const pixels = Buffer.from(Float32Array.from(input.data.flat(9)).buffer);
  const { name, datatype, shape } = input;
  const header = Buffer.from(
    JSON.stringify({
      inputs: [{ name, datatype, shape, parameters: { binary_data_size: pixels.length } }],
      outputs: [{ name: 'probabilities', parameters: { binary_data: true } }],
    }),
  );
  const aligned = Buffer.concat([header, Buffer.alloc(-header.length & 7, ' ')]);
  const json = {
    body: Buffer.from(JSON.stringify({ inputs: [input] })),
    headers: { 'content-type': 'application/json' },
  };
  const binary = {
    body: Buffer.concat([aligned, pixels]),
    headers: {
      'content-type': 'application/octet-stream',
      'inference-header-content-length': String(aligned.length),
    },
  };
  const requests = { JSON: json, binary };
  const raw = { body: pixels, headers: { 'content-type': 'application/octet-stream' } };
  const ours = (peer: string, repository: string): Peer => ({
    name: peer,
    command: [process.execPath, join(ROOT, 'functions/serve/local.ts')],
    environment: (port) => ({ MODEL_REPOSITORY: repository, PORT: String(port) }),
    requests,
  });
  const bare = (peer: string, processes: number): Peer => ({
    name: peer,
    command: [process.execPath, join(PEERS, 'bare-node.mjs'), model, 'PORT', String(processes)],
    environment: () => ({}),
    requests,
  });
  const fastapi = (peer: string, module: string, formats: Peer['requests']): Peer => ({
    name: peer,
    command: [python, '-m', 'uvicorn', `${module}:app`]
      .concat(['--app-dir', PEERS, '--port', 'PORT', '--workers', String(CORES)])
      .concat(['--no-access-log', '--log-level', 'warning', '--loop', 'uvloop', '--http', 'httptools']),
    environment: () => ({ MODEL_FILE: model }),
    requests: formats,
  });
  return [
    ours(OURS, join(ROOT, 'model-artifacts')),
    ours('serverless-onnx, isolated', isolated),
    bare('bare node:http', 1),
    bare(`bare node:http, ${CORES} processes`, CORES),
    fastapi('FastAPI, tuned', 'fastapi_tuned', requests),
    fastapi('FastAPI, naive', 'fastapi_naive', { JSON: json }),
    {
      name: 'mosec',
      command: [python, join(PEERS, 'mosec_server.py'), '--port', 'PORT', '--address', '127.0.0.1'].concat([
        '--log-level',
        'error',
      ]),
      environment: () => ({ MODEL_FILE: model, PROCESSES: String(CORES) }),
      requests: { JSON: json, binary: raw },
    },
    {
      name: 'LitServe',
      command: [python, join(PEERS, 'litserve_server.py'), 'PORT'],
      environment: () => ({ MODEL_FILE: model, PROCESSES: String(CORES) }),
      requests: { JSON: json },
    },
  ];
}

/** What the bare model says to the request: all servers are held against it. */
async function expectedScores({ requests }: Peer): Promise<number[]> {
  const { InferenceSession, Tensor } = (await import('onnxruntime-node')).default;
  const session = await InferenceSession.create(join(DIGITS, '1/model.onnx'), { intraOpNumThreads: 1 });
  const [{ data, shape }] = JSON.parse(String(requests.JSON?.body)).inputs;
  const { probabilities } = await session.run({ image: new Tensor('float32', Float32Array.from(data), shape) });
  return Array.from(probabilities?.data as Float32Array);
}

async function start(peer: Peer, expected: readonly number[]): Promise<Running> {
  const port = await freePort();
  const [program = '', ...args] = peer.command.map((word) => (word === 'PORT' ? String(port) : word));
  const started = performance.now();
  // A group of its own, which is ended as one.
  const child = spawn(program, args, {
    env: { PATH: process.env.PATH, ...peer.environment(port) },
    stdio: ['ignore', 'ignore', 'ignore'],
    detached: true,
  });
  await once(child, 'spawn');
  groups.add(-(child.pid as number));
  const running = { peer, url: `http://127.0.0.1:${port}`, pid: child.pid as number };
  try {
    for (;;) {
      if (child.exitCode !== null) throw new Failure(`${peer.name} ended with ${child.exitCode} before it answered`);
      if (performance.now() - started > START_TIMEOUT_MS) throw new Failure(`${peer.name} did not answer in a minute`);
      try {
        await check(running.url, peer, 'JSON', expected);
        break;
      } catch (error) {
        if (error instanceof Failure) throw error;
        await sleep(2);
      }
    }
    const startMs = performance.now() - started;
    await check(running.url, peer, 'binary', expected);
    return { ...running, startMs };
  } catch (error) {
    await stop(running);
    throw error;
  }
}

async function stop({ pid }: { readonly pid: number }): Promise<void> {
  const group = -pid;
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    for (let waited = 0; waited < 5_000; waited += 50) {
      try {
        process.kill(group, waited === 0 ? signal : 0);
      } catch {
        // All have ended.
        groups.delete(group);
        return;
      }
      await sleep(50);
    }
  }
}

/** @throws Failure at a wrong answer, and any other error where there is none yet */
async function check(
  url: string,
  { name, requests }: Peer,
  format: Format,
  expected: readonly number[],
): Promise<void> {
  const request = requests[format];
  if (request === undefined) return;
  const { status, bytes, text } = await rawCall(url, '/v2/models/digits/infer', { method: 'POST', ...request });
  // Servers listen before their model is loaded.
  if (status === 404 || status >= 500) throw new Error(`answered ${status}`);
  if (status !== 200) throw new Failure(`${name} answered ${status} to ${format}: ${text.slice(0, 200)}`);
  const tail = bytes.subarray(-expected.length * Float32Array.BYTES_PER_ELEMENT);
  const scores: number[] =
    format === 'JSON' ? JSON.parse(text).outputs[0].data.flat() : expected.map((_, i) => tail.readFloatLE(i * 4));
  const isRight =
    scores.length === expected.length &&
    scores.every((score, i) => Math.abs(score - (expected[i] ?? Number.NaN)) < 1e-4);
  if (!isRight) throw new Failure(`${name} answered [${scores}] to ${format}; expected [${expected}]`);
}

async function load(running: readonly Running[], format: Format, context: Context): Promise<Table[]> {
  const { quick, progress, scratch } = context;
  const tables: Table[] = [];
  for (const callers of CALLERS) {
    const measured = new Map<Running, Measured[]>();
    for (let round = 1; round <= (quick ? 1 : ROUNDS); round++) {
      for (const one of running) {
        const request = one.peer.requests[format];
        if (request === undefined) continue;
        progress(`${format}, ${callers} callers, round ${round}, ${one.peer.name}`);
        const found = await measure(one, request, callers, quick ? 1 : SECONDS, scratch);
        measured.set(one, [...(measured.get(one) ?? []), found]);
      }
    }
    const middle = (all: readonly Measured[], key: keyof Measured): number => median(all.map((one) => one[key]));
    const ours = [...measured].find(([{ peer }]) => peer.name === OURS)?.[1] ?? [];
    const rows = Array.from(measured, ([{ peer }, all]) => ({
      server: peer.name,
      'requests/s': Math.round(middle(all, 'perSecond')),
      'ours is times as fast': rounded(middle(ours, 'perSecond') / middle(all, 'perSecond')),
      'p50 ms': rounded(middle(all, 'p50')),
      'p99 ms': rounded(middle(all, 'p99')),
      'CPU µs': Math.round(middle(all, 'cpu')),
    }));
    tables.push({ title: `${format}, ${callers} caller${callers === 1 ? '' : 's'}`, rows });
  }
  return tables;
}

/**
 * With wrk: what makes the requests shares the cores with the server, and of the well-known ones it takes the least of them.
 */
async function measure(
  { url, pid }: Running,
  { body, headers }: Request,
  callers: number,
  seconds: number,
  scratch: string,
): Promise<Measured> {
  const file = join(scratch, 'body');
  writeFileSync(file, body);
  const words = Object.entries(headers).map(([name, value]) => `${name}=${value}`);
  const options = ['-t1', `-c${callers}`, `-d${seconds}s`, '-s', join(PEERS, 'post.lua')];
  const tree = treeOf(pid);
  const before = processorSeconds(tree);
  const { stdout } = await run('wrk', [...options, `${url}/v2/models/digits/infer`, '--', file, ...words]).catch(
    (error: NodeJS.ErrnoException) => {
      throw new Failure(
        error.code === 'ENOENT' ? 'wrk was not found; install it (Debian and Ubuntu: apt install wrk)' : error.message,
      );
    },
  );
  const cpuSeconds = processorSeconds(tree) - before;
  const { requests, failed, seconds: took, p50, p99 } = JSON.parse(/^\{.*\}$/m.exec(stdout)?.[0] ?? '{}');
  if (failed > 0) throw new Failure(`${failed} of ${requests} requests to ${url} failed`);
  return { perSecond: requests / took, p50, p99, cpu: (cpuSeconds / requests) * 1e6 };
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  probe.close();
  await once(probe, 'close');
  return port;
}
