// A local AWS: the emulator ministack from the Python environment, on a free port of this machine.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ensureVenv } from '../../functions/cli/venv.ts';

export type LocalAws = {
  /** What a process needs in its environment to use it. */
  readonly env: { readonly [name: string]: string };
  readonly endpoint: string;
  stop(): Promise<void>;
};

const START_TIMEOUT_MS = 60_000;
const START_TRIES = 3;

/**
 * @param address that it listens on; containers can't reach this machine's loopback address
 * @param variables for the emulator, which runs functions: the address of a Docker Engine, …
 */
export async function startLocalAws(
  address = '127.0.0.1',
  variables: { readonly [name: string]: string } = {},
): Promise<LocalAws> {
  for (let tries = 1; ; tries++) {
    const aws = await startOn(await freePort(address), address, variables);
    if (typeof aws !== 'string') return aws;
    // Another program may have taken the port meanwhile.
    if (tries === START_TRIES) throw new Error(`the local AWS did not start: ${aws}`);
  }
}

/** @returns the end of its log where it does not start */
async function startOn(
  port: number,
  address: string,
  variables: { readonly [name: string]: string },
): Promise<LocalAws | string> {
  const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-aws-'));
  const logFile = join(folder, 'log');
  const endpoint = `http://${address}:${port}`;
  const log = openSync(logFile, 'w');
  const emulator = spawn(join(dirname(await ensureVenv()), 'ministack'), {
    env: {
      // Functions without an image run on the first Node there: this one.
      PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
      HOME: folder,
      TMPDIR: folder,
      GATEWAY_PORT: String(port),
      BIND_HOST: address,
      MINISTACK_HOST: address,
      // Where functions find it.
      AWS_ENDPOINT_URL: endpoint,
      S3_DATA_DIR: join(folder, 's3'),
      ...variables,
    },
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const end = Date.now() + START_TIMEOUT_MS;
  while (!(await fetch(`${endpoint}/_ministack/health`).catch(() => undefined))?.ok) {
    if (emulator.exitCode !== null || Date.now() > end) {
      emulator.kill();
      return readFileSync(logFile, 'utf8').slice(-2_000);
    }
    await sleep(100);
  }
  return {
    endpoint,
    env: {
      AWS_ENDPOINT_URL: endpoint,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      AWS_REGION: 'us-east-1',
    },
    async stop() {
      emulator.kill('SIGTERM');
      await once(emulator, 'exit');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(address: string): Promise<number> {
  const server = createServer().listen(0, address);
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}
