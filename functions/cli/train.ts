// `npm run train -- [options]`: the training program in its own Python environment; `--help` lists the options.

import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { ensureVenv } from './venv.ts';

const PROGRAM = join(import.meta.dirname, '../train/train.py');

try {
  const child = spawn(await ensureVenv(), [PROGRAM, ...process.argv.slice(2)], { stdio: 'inherit' });
  // A terminal sends Ctrl+C to both; a supervisor only to this process.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => child.kill(signal));
  }
  child.on('error', ({ message }) => fail(message));
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
  });
} catch (error) {
  fail(error instanceof Error ? error.message : String(error));
}

function fail(message: string): void {
  console.error(`train: ${message}`);
  process.exitCode = 1;
}
