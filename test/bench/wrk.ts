// Load by wrk: what makes the requests shares the cores with the server, and of the well-known ones it takes the least of them.

import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Failure } from '../../functions/cli/failure.ts';
import { onLoadCores } from './cores.ts';
import type { Load } from './load.ts';

/** Requests that were answered, how many of them in a second, and milliseconds. */
export type Answered = {
  readonly requests: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
};

const SCRIPT = join(import.meta.dirname, 'post.lua');
/** So many that those who wait for an answer are few: then the others' requests do not depend on the server. */
const INDEPENDENT_CALLERS = 256;
/** wrk ends by itself; a server that does not answer any more must not keep it. */
const GRACE_MS = 20_000;

const run = promisify(execFile);

/** `callers` who each ask again once they are answered, for so many seconds: the most that a server gives. */
export function closedLoop(load: Load, callers: number, seconds: number, scratch: string): Promise<Answered> {
  return wrk(load, callers, 0, seconds, scratch);
}

/**
 * So many requests in each second, at random moments, for so many seconds. A server that stalls is asked on meanwhile, so
 * the requests that meet the stall are all counted, which callers who wait for each other's answers would not send
 * (coordinated omission). Each millisecond's requests come together, as wrk's clock has no finer one.
 */
export function openLoop(load: Load, perSecond: number, seconds: number, scratch: string): Promise<Answered> {
  return wrk(load, INDEPENDENT_CALLERS, (INDEPENDENT_CALLERS / perSecond) * 1000, seconds, scratch);
}

async function wrk(
  { url, body, headers }: Load,
  connections: number,
  pauseMs: number,
  seconds: number,
  scratch: string,
): Promise<Answered> {
  const file = join(scratch, 'body');
  writeFileSync(file, body);
  const words = Object.entries(headers).map(([name, value]) => `${name}=${value}`);
  const options = [
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--timeout',
    `${seconds + GRACE_MS / 1000}s`,
    '-s',
    SCRIPT,
    url,
    '--',
    file,
    `${pauseMs}`,
  ];
  const [program = '', ...args] = onLoadCores(['wrk', ...options, ...words]);
  const { stdout } = await run(program, args, { timeout: seconds * 1000 + GRACE_MS }).catch(
    (error: NodeJS.ErrnoException) => {
      throw new Failure(
        error.code === 'ENOENT' ? 'wrk was not found; install it (Debian and Ubuntu: apt install wrk)' : error.message,
      );
    },
  );
  const { requests, failed, seconds: took, p50, p99 } = JSON.parse(/^\{.*\}$/m.exec(stdout)?.[0] ?? '{}');
  if (failed > 0) throw new Failure(`${failed} of ${requests} requests to ${url} failed`);
  return { requests, perSecond: requests / took, p50, p99 };
}
