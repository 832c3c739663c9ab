// One server as several processes that share its port, for models so small that HTTP is most of the work.

import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { serverLog } from '../adapters/server-log.ts';
import type { Log } from '../inference/ports.ts';
import type { LocalSettings } from './local-env.ts';
import type { FromProcess, ToProcess } from './processes.ts';

/** One that failed is replaced, but not in a hurry. */
const RESTART_MS = 1_000;

type Question = {
  readonly asker: Worker;
  readonly id: number;
  readonly unanswered: Set<Worker>;
  readonly values: unknown[];
};

/** Runs this program in as many more processes, until all of them have ended as they were told to. */
export async function supervise({ processes, logLevel }: LocalSettings): Promise<void> {
  const supervisor = new Supervisor(await serverLog(process.stdout.isTTY, logLevel));
  // What is wrong with a setting is said once.
  if (await supervisor.startFirst()) for (let i = 1; i < processes; i++) supervisor.start();
}

class Supervisor {
  readonly #log: Log;
  readonly #questions = new Map<number, Question>();
  readonly #listening = new Set<Worker>();
  #lastId = 0;
  #isEnding = false;

  constructor(log: Log) {
    this.#log = log;
    const cache = getCompileCacheDir();
    if (cache !== undefined) process.env.NODE_COMPILE_CACHE = dirname(cache);
    // What is undefined stays undefined.
    cluster.setupPrimary({ serialization: 'advanced' });
    cluster.on('listening', (worker) => this.#listening.add(worker));
    cluster.on('exit', (worker) => this.#listening.delete(worker));
    cluster.on('message', (worker, message: FromProcess) => this.#receive(worker, message));
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => this.#drain());
  }

  /** Whether it listens; if not, this process ends as it did. */
  async startFirst(): Promise<boolean> {
    const first = cluster.fork();
    const exited = once(first, 'exit');
    const isListening = await Promise.race([once(first, 'listening').then(() => true), exited.then(() => false)]);
    if (isListening) this.#replaceWhenGone(first);
    else if (!this.#isEnding) process.exitCode = (await exited)[0] ?? 1;
    return isListening;
  }

  start(): void {
    if (!this.#isEnding) this.#replaceWhenGone(cluster.fork());
  }

  #replaceWhenGone(worker: Worker): void {
    worker.once('exit', async (code: number | null, signal: string | null) => {
      for (const [id, { unanswered }] of this.#questions) {
        if (unanswered.delete(worker)) this.#passOn(id);
      }
      if (this.#isEnding) return;
      this.#log.error({ pid: worker.process.pid, code, signal }, 'a process of the server ended; another one starts');
      await sleep(RESTART_MS);
      this.start();
    });
  }

  /** Told twice, they end at once. */
  #drain(): void {
    this.#isEnding = true;
    for (const worker of Object.values(cluster.workers ?? {})) {
      if (worker === undefined) continue;
      if (this.#listening.has(worker)) tell(worker, { type: 'drain' });
      // It would not hear that, and has no requests to answer.
      else worker.process.kill();
    }
  }

  #receive(asker: Worker, message: FromProcess): void {
    if (message.type === 'ask') {
      const { question, args } = message;
      const id = ++this.#lastId;
      const others = Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined && worker !== asker);
      this.#questions.set(id, { asker, id: message.id, unanswered: new Set(others as Worker[]), values: [] });
      for (const worker of others) tell(worker, { type: 'asked', id, question, args });
      this.#passOn(id);
    } else if (message.type === 'answer') {
      const asked = this.#questions.get(message.id);
      if (asked?.unanswered.delete(asker) !== true) return;
      asked.values.push(message.value);
      this.#passOn(message.id);
    }
  }

  #passOn(id: number): void {
    const asked = this.#questions.get(id);
    if (asked === undefined || asked.unanswered.size > 0) return;
    this.#questions.delete(id);
    tell(asked.asker, { type: 'answers', id: asked.id, values: asked.values });
  }
}

function tell(worker: Worker | undefined, message: ToProcess): void {
  // One that is about to end hears nothing any more.
  if (worker?.isConnected()) worker.send(message, () => {});
}
