import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { watchOf } from '../../retrain/local/compose.ts';
import { Lock } from '../../retrain/local/lock.ts';
import { localOutside, makeFolders } from '../../retrain/local/outside.ts';
import { Failure, Misuse } from '../failure.ts';
import { withLoader } from '../models/engine.ts';
import { ensureVenv } from '../venv.ts';
import { CACHE, DATASETS, type Looking, placesOf } from './loop.ts';
import { forPeople, forPrograms } from './screen.ts';

export type Watching = Looking & { readonly quietSeconds?: string };

const PROGRAM = join(import.meta.dirname, '../../train/train.py');
const MAX_QUIET_SECONDS = 900;

/** The loop on this machine: retrains models when pictures are dropped into the folder of data, until it is ended. */
export async function watch(options: Watching): Promise<void> {
  if (options.deployed) throw new Misuse('--deployed has nothing to watch; AWS does that');
  const { places, repository } = await placesOf(options);
  const show = options.json ? forPrograms : forPeople;
  const notifier = {
    async notify(subject: string, text: string, fields: { readonly [name: string]: string }) {
      show({ event: 'notified', subject, text, fields });
    },
  };
  const quietSeconds = secondsOf(options.quietSeconds);
  await makeFolders(places);
  const end = new AbortController();
  const lock = new Lock(places.lock);
  let lost: Error | undefined;
  await lock.take((error) => {
    lost = error;
    end.abort();
  });
  endOnSignal(end);
  try {
    const outside = { ...localOutside(places, repository, notifier), quietSeconds };
    const watched = watchOf(places, outside, {
      program: { python: ensureVenv, file: PROGRAM },
      image,
      withLoader,
      show,
      // On a terminal the program shows a bar.
      byLine: options.json === true || !process.stderr.isTTY,
      cache: CACHE,
    });
    show({ event: 'watching', datasets: options.datasets ?? DATASETS, repository: places.modelRepository });
    await watched.run(end.signal);
  } finally {
    await lock.release();
  }
  if (lost !== undefined) throw new Failure(lost.message);
}

/** @throws Misuse */
function secondsOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = /^\d{1,3}$/.test(text) ? Number(text) : Number.NaN;
  if (seconds <= MAX_QUIET_SECONDS) return seconds;
  throw new Misuse(`--quiet-seconds is '${text}'; expected a whole number from 0 to ${MAX_QUIET_SECONDS}`);
}

/** The first signal ends what is trained; a second one ends the process at once. */
function endOnSignal(end: AbortController): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (end.signal.aborted) process.exit(130);
      end.abort();
    });
  }
}

/** The Python environment, by the hash of what it was made from. */
async function image(): Promise<string> {
  const python = await ensureVenv();
  const stamp = await readFile(join(dirname(dirname(python)), 'serverless-onnx.sha256'), 'utf8');
  return `.venv@sha256:${stamp.trim()}`;
}
