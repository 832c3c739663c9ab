// A Docker Engine for the end-to-end test: the machine's own, or one that is started for as long as the test runs.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export type Docker = {
  /** What a process needs in its environment to use it. */
  readonly env: { readonly [name: string]: string };
  /** Runs a command of the Docker CLI. @returns what it wrote to its standard output */
  run(...args: readonly string[]): string;
  stop(): Promise<void>;
};

/** Images stay there from one run to the next. */
const DATA = join(homedir(), '.cache/serverless-onnx/docker');
const START_TIMEOUT_MS = 60_000;

export async function startDocker(): Promise<Docker> {
  const running = dockerAt({});
  if (answers(running)) return { ...running, stop: async () => {} };
  const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-docker-'));
  const socket = `unix://${join(folder, 'socket')}`;
  mkdirSync(DATA, { recursive: true });
  const logFile = join(folder, 'log');
  const log = openSync(logFile, 'w');
  const files = ['--data-root', DATA, '--exec-root', join(folder, 'exec'), '--pidfile', join(folder, 'pid')];
  const engine = spawn('dockerd', ['--host', socket, ...files], { stdio: ['ignore', log, log] });
  closeSync(log);
  let ended: string | undefined;
  engine.once('error', ({ message }) => {
    ended = message;
  });
  engine.once('exit', (code) => {
    ended = `dockerd ended with code ${code}: ${readFileSync(logFile, 'utf8').slice(-2_000)}`;
  });
  const docker = dockerAt({ DOCKER_HOST: socket });
  const end = Date.now() + START_TIMEOUT_MS;
  while (!answers(docker)) {
    if (ended !== undefined || Date.now() > end) {
      engine.kill();
      throw new Error(`no Docker Engine runs, and none could be started: ${ended ?? 'it did not answer in time'}`);
    }
    await sleep(500);
  }
  return {
    ...docker,
    async stop() {
      engine.kill('SIGTERM');
      if (engine.exitCode === null) await once(engine, 'exit');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Where containers reach this machine. An engine that has just made its first network does not tell: it takes the first. */
export function bridgeAddress(docker: Docker): string {
  const both = '{{with index .IPAM.Config 0}}{{.Gateway}} {{.Subnet}}{{end}}';
  const [gateway, subnet = ''] = docker.run('network', 'inspect', 'bridge', '--format', both).trimEnd().split(' ');
  return gateway || subnet.replace(/\.\d+\/\d+$/, '.1');
}

function dockerAt(variables: { readonly [name: string]: string }): Omit<Docker, 'stop'> {
  // The builder that is part of every engine: the other one comes as a plugin, which Debian does not have.
  const env = { ...variables, DOCKER_BUILDKIT: '0' };
  const run = (...args: readonly string[]): string =>
    execFileSync('docker', args, {
      env: { ...process.env, ...env },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  return { env, run };
}

function answers(docker: Omit<Docker, 'stop'>): boolean {
  try {
    docker.run('info');
    return true;
  } catch {
    return false;
  }
}
