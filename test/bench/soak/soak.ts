// The server asked at fixed moments over a time, while it is watched.

import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../../../functions/cli/failure.ts';
import { rawCall, type ServerProcess } from '../../setup/edges.ts';
import { seededRandom } from '../../setup/numbers.ts';
import { openFiles, residentMb, treeOf } from '../processes.ts';
import { askOf, type Lane, wrongWith } from './requests.ts';

export const PER_SECOND = 100;
/** Of the time. */
export const PARTS = 10;
export const SAMPLES_PER_PART = 12;
/** A new version is published at the beginning of these parts. */
const PUBLISHED_AT = [3, 6];
/** A server that does not answer any more must not keep the bench. */
const GRACE_MS = 60_000;

/** Seconds since the beginning, megabytes, and numbers of files. */
export type Sample = {
  readonly at: number;
  readonly server: number;
  readonly children: number;
  readonly serverFiles: number;
  readonly childrenFiles: number;
};
export type Latency = { readonly at: number; readonly lane: Lane; readonly ms: number };

export type Soaked = {
  readonly seconds: number;
  readonly samples: readonly Sample[];
  readonly latencies: readonly Latency[];
  /** When those were answered that had to be refused: seconds. */
  readonly refused: readonly number[];
  /** What the server said was live, at the end of each part. */
  readonly live: readonly string[];
};

export class Soak {
  readonly #server: ServerProcess;
  readonly #seconds: number;
  readonly #expected: readonly number[];
  readonly #started = performance.now();
  readonly #samples: Sample[] = [];
  readonly #latencies: Latency[] = [];
  readonly #refused: number[] = [];
  readonly #live: string[] = [];
  #wrong: string | undefined;

  constructor(server: ServerProcess, seconds: number, expected: readonly number[]) {
    this.#server = server;
    this.#seconds = seconds;
    this.#expected = expected;
  }

  /** @throws Failure at the first wrong answer */
  async run(publishNext: () => Promise<void>, progress: (text: string) => void): Promise<Soaked> {
    const agent = new Agent({ keepAlive: true });
    const late = setTimeout(() => agent.destroy(), this.#seconds * 1000 + GRACE_MS);
    const asking = this.#askAll(agent);
    let publishing: Promise<void> = Promise.resolve();
    const samples = PARTS * SAMPLES_PER_PART;
    for (let i = 1; i <= samples && this.#wrong === undefined; i++) {
      if (PUBLISHED_AT.some((part) => i === part * SAMPLES_PER_PART + 1))
        publishing = publishNext().catch((error: Error) => this.#fail(error.message));
      await this.#until((this.#seconds * i) / samples);
      this.#sample();
      progress(`${Math.round(this.#now())} of ${this.#seconds} s`);
      if (i % SAMPLES_PER_PART === 0) this.#live.push(await this.#liveVersion(agent));
    }
    await Promise.all([asking, publishing]);
    clearTimeout(late);
    agent.destroy();
    if (this.#wrong !== undefined) throw new Failure(this.#wrong);
    return {
      seconds: this.#seconds,
      samples: this.#samples,
      latencies: this.#latencies,
      refused: this.#refused,
      live: this.#live,
    };
  }

  /** What went wrong first ends it. */
  #fail(message: string): void {
    this.#wrong ??= message;
  }

  #now(): number {
    return (performance.now() - this.#started) / 1000;
  }

  async #until(at: number): Promise<void> {
    await sleep(Math.max(0, (at - this.#now()) * 1000));
  }

  /** Each request has its time, whether the ones before were answered or not. */
  async #askAll(agent: Agent): Promise<void> {
    const random = seededRandom(1);
    const asked = new Set<Promise<void>>();
    for (let n = 0; n < this.#seconds * PER_SECOND && this.#wrong === undefined; n++) {
      await this.#until(n / PER_SECOND);
      const one = this.#ask(n, random, agent).catch((error: Error) => this.#fail(error.message));
      asked.add(one);
      void one.then(() => asked.delete(one));
    }
    await Promise.all(asked);
  }

  async #ask(n: number, random: () => number, agent: Agent): Promise<void> {
    const ask = askOf(n, random);
    const { path, body, headers, status, timed } = ask;
    const sent = performance.now();
    const at = this.#now();
    const answer = await rawCall(this.#server.url, path, { body, headers }, agent);
    const ms = performance.now() - sent;
    this.#wrong ??= wrongWith(ask, answer, this.#expected);
    if (timed !== undefined) this.#latencies.push({ at, lane: timed.lane, ms });
    else if (status !== 200) this.#refused.push(at);
  }

  #sample(): void {
    const [server = 0, ...children] = treeOf(this.#server.process.pid as number);
    this.#samples.push({
      at: this.#now(),
      server: residentMb([server]),
      children: residentMb(children),
      serverFiles: openFiles([server]),
      childrenFiles: openFiles(children),
    });
    // The log's lines would fill the bench's own memory.
    this.#server.logged.length = 0;
  }

  async #liveVersion(agent: Agent): Promise<string> {
    const { text } = await rawCall(this.#server.url, '/v2/models/inline/stats', {}, agent);
    const stats = JSON.parse(text).model_stats as { version: string; last_inference: number }[];
    return stats.toSorted((a, b) => b.last_inference - a.last_inference)[0]?.version ?? '';
  }
}
