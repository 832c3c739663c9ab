import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { TrainingSettings } from './training-settings.ts';

/** The training program on this machine, and what it runs on. */
export type TrainingProgram = {
  /** @returns the Python that has its packages, which may take minutes the first time */
  readonly python: () => Promise<string>;
  /** Path of train.py. */
  readonly file: string;
};

export type Job = {
  readonly model: string;
  /** The folder that is trained on. */
  readonly snapshot: string;
  /** The folder that the job keeps: `output/model/` is what it leaves. */
  readonly folder: string;
  readonly settings: TrainingSettings;
};

/** The program ended without a model; the message is its own sentence. */
export class TrainingFailed extends Error {
  override readonly name = 'TrainingFailed';
}

/** Of a program that was told to end and does not. */
const GRACE_MS = 30_000;

/**
 * Trains in a child process, under the part of SageMaker's contract that functions/train/job.py reads. What an earlier try has left half done is
 * removed, and its checkpoints are gone on from.
 * @param onLine gets what the program prints; without it the program has the terminal
 * @throws TrainingFailed; also where the signal has ended it
 */
export async function train(
  { python, file }: TrainingProgram,
  { model, snapshot, folder, settings }: Job,
  signal: AbortSignal,
  onLine: ((line: string) => void) | undefined,
): Promise<void> {
  const [output, checkpoints] = [join(folder, 'output'), join(folder, 'checkpoints')];
  await rm(output, { recursive: true, force: true });
  await mkdir(join(output, 'model'), { recursive: true });
  // The program makes checkpoints where the folder is.
  if (settings.checkpoints) await mkdir(checkpoints, { recursive: true });
  const options = Object.entries({ ...settings.hyperParameters, name: model }).flatMap(([name, value]) => [
    `--${name}`,
    `${value}`,
  ]);
  const program = await python();
  signal.throwIfAborted();
  const child = spawn(program, [file, ...options], {
    env: {
      ...process.env,
      SM_CHANNEL_TRAINING: snapshot,
      SM_MODEL_DIR: join(output, 'model'),
      SM_OUTPUT_DIR: output,
      PYTHONDONTWRITEBYTECODE: '1',
    },
    stdio: onLine === undefined ? 'inherit' : ['ignore', 'pipe', 'pipe'],
  });
  if (onLine !== undefined) for (const stream of [child.stdout, child.stderr]) readLines(stream, onLine);
  const code = await endOf(child, signal);
  if (code !== 0) {
    const said = await readFile(join(output, 'failure'), 'utf8').catch(() => '');
    throw new TrainingFailed(said.trim() || `the training program ended with ${code}`);
  }
  await rm(checkpoints, { recursive: true, force: true });
}

function readLines(stream: Readable | null, onLine: (line: string) => void): void {
  if (stream !== null) createInterface({ input: stream }).on('line', onLine);
}

/** @returns the exit code, or the name of the signal that has ended it */
async function endOf(child: ChildProcess, signal: AbortSignal): Promise<number | string> {
  let timer: NodeJS.Timeout | undefined;
  const end = (): void => {
    child.kill('SIGTERM');
    timer = setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
  };
  // Nothing is left behind that goes on to use the machine.
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, by) => resolve(code ?? by ?? 1));
    });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
    process.removeListener('exit', kill);
  }
}
