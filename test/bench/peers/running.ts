// A peer as a group of processes: started, checked, ended.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../../../functions/cli/failure.ts';
import { rawCall } from '../../setup/edges.ts';
import { onServerCores } from '../cores.ts';
import { type Format, isClose, scoresOf } from '../digits.ts';
import type { Peer } from './servers.ts';

export type Running = { readonly peer: Peer; readonly url: string; readonly pid: number; readonly startMs: number };

export const INFER = '/v2/models/digits/infer';
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 5_000;

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

/** @param folder where it may write */
export async function start(peer: Peer, expected: readonly number[], folder: string): Promise<Running> {
  const port = await freePort();
  const command = peer.command.map((word) => (word === 'PORT' ? String(port) : word));
  const [program = '', ...args] = onServerCores(command);
  const started = performance.now();
  // A group of its own, which is ended as one.
  const child = spawn(program, args, {
    env: { PATH: process.env.PATH, ...peer.environment(port) },
    cwd: folder,
    stdio: ['ignore', 'ignore', 'ignore'],
    detached: true,
  });
  await once(child, 'spawn');
  groups.add(-(child.pid as number));
  const running = { peer, url: `http://127.0.0.1:${port}`, pid: child.pid as number };
  try {
    await answered(running, () => child.exitCode, expected);
    const startMs = performance.now() - started;
    await check(running, 'binary', expected);
    return { ...running, startMs };
  } catch (error) {
    await stop(running);
    throw error;
  }
}

export async function stop({ pid }: { readonly pid: number }): Promise<void> {
  const group = -pid;
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    for (let waited = 0; waited < STOP_TIMEOUT_MS; waited += 50) {
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

type Starting = Omit<Running, 'startMs'>;

async function answered(running: Starting, exitCode: () => number | null, expected: readonly number[]): Promise<void> {
  const { name } = running.peer;
  const deadline = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      await check(running, 'JSON', expected);
      return;
    } catch (error) {
      if (error instanceof Failure) throw error;
      if (exitCode() !== null) throw new Failure(`${name} ended with ${exitCode()} before it answered`);
      if (performance.now() > deadline) {
        throw new Failure(`${name} did not answer in a minute: ${(error as Error).message}`);
      }
      await sleep(2);
    }
  }
}

/** @throws Failure at a wrong answer, and any other error where there is none yet */
async function check({ url, peer }: Starting, format: Format, expected: readonly number[]): Promise<void> {
  const request = peer.requests[format];
  if (request === undefined) return;
  const { status, bytes, text } = await rawCall(url, INFER, { method: 'POST', ...request });
  // Servers listen before their model is loaded, and say so with 400, 404 or 503.
  if (status !== 200) throw new Error(`it answered ${status} to ${format}: ${text.slice(0, 200)}`);
  const scores = scoresOf(format, bytes, expected.length);
  if (!isClose(scores, expected)) {
    throw new Failure(`${peer.name} answered [${scores}] to ${format}; expected [${expected}]`);
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  probe.close();
  await once(probe, 'close');
  return port;
}
