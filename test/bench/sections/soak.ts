// The local server over a time: whether its memory, its open files and its latency stay what they are.

import { execFile } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Failure } from '../../../functions/cli/failure.ts';
import { ensureVenv } from '../../../functions/cli/venv.ts';
import { rawCall, type ServerProcess, startServer } from '../../setup/edges.ts';
import { seededRandom } from '../../setup/numbers.ts';
import { expectedScores } from '../digits.ts';
import { addDigits } from '../digits-copy.ts';
import { percentile, rounded } from '../figures.ts';
import { openFiles, residentMb, treeOf } from '../processes.ts';
import type { Context, Row, Section, Table } from '../section.ts';
import { askOf, type Lane, wrongWith } from '../soak/requests.ts';

const ROOT = join(import.meta.dirname, '../../..');
const SECONDS = 600;
const QUICK_SECONDS = 20;
const PER_SECOND = 100;
/** Rows of the table. */
const PARTS = 10;
const SAMPLES_PER_PART = 12;
/** Until then what is needed once is still being loaded. */
const WARM_PARTS = 2;
/** A new version is published at the beginning of these parts. */
const PUBLISHED_AT = [3, 6];
/** A server that does not answer any more must not keep the bench. */
const GRACE_MS = 60_000;
const LANES: readonly Lane[] = ['inline', 'isolated'];

const run = promisify(execFile);

/** Seconds since the beginning, megabytes, and numbers of files. */
type Sample = {
  readonly at: number;
  readonly server: number;
  readonly children: number;
  readonly serverFiles: number;
  readonly childrenFiles: number;
};
type Latency = { readonly at: number; readonly lane: Lane; readonly ms: number };

export default {
  name: 'soak',
  what: `${SECONDS / 60} minutes of mixed requests, ${PER_SECOND} a second, while new versions are published: memory, files, latency`,
  async run(context): Promise<Table[]> {
    const { quick, scratch } = context;
    const repository = join(scratch, 'models');
    await makeRepository(repository, scratch);
    const server = await startServer({ MODEL_REPOSITORY: repository });
    try {
      const soak = new Soak(server, quick ? QUICK_SECONDS : SECONDS, await expectedScores());
      await soak.run(() => publish(repository, scratch), context);
      return soak.tables();
    } finally {
      await server.close();
    }
  },
} satisfies Section;

/** The digits twice: one stays out of the server's process, of the other new versions will come. */
async function makeRepository(repository: string, scratch: string): Promise<void> {
  addDigits(join(scratch, 'source'), 'inline');
  addDigits(repository, 'isolated', { isolatedBy: await ensureVenv() });
  mkdirSync(join(repository, 'inline'));
  for (const file of ['config.pbtxt', 'labels.txt']) {
    cpSync(join(scratch, 'source/inline', file), join(repository, 'inline', file));
  }
  await publish(repository, scratch);
}

async function publish(repository: string, scratch: string): Promise<void> {
  const file = join(scratch, 'source/inline/1/model.onnx');
  const command = ['publish', file, '--as', 'inline', '--promote', '-r', repository];
  await run(process.execPath, [join(ROOT, 'functions/cli/models.ts'), ...command]);
}

class Soak {
  readonly #server: ServerProcess;
  readonly #seconds: number;
  readonly #expected: readonly number[];
  readonly #started = performance.now();
  readonly #samples: Sample[] = [];
  readonly #latencies: Latency[] = [];
  readonly #refused: number[] = [];
  /** What the server said was live, at the end of each part. */
  readonly #live: string[] = [];
  #wrong: string | undefined;

  constructor(server: ServerProcess, seconds: number, expected: readonly number[]) {
    this.#server = server;
    this.#seconds = seconds;
    this.#expected = expected;
  }

  /** @throws Failure at the first wrong answer */
  async run(publishNext: () => Promise<void>, { progress }: Context): Promise<void> {
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

  tables(): Table[] {
    const warm = this.#samples.filter(({ at }) => at > (this.#seconds * WARM_PARTS) / PARTS);
    const growth = (['server', 'children', 'serverFiles', 'childrenFiles'] as const).map((what): Row => {
      const values = warm.map((sample) => sample[what]);
      return {
        what: NAMES[what],
        first: Math.round(values[0] ?? Number.NaN),
        least: Math.round(Math.min(...values)),
        most: Math.round(Math.max(...values)),
        last: Math.round(values.at(-1) ?? Number.NaN),
        'more in an hour': rounded(slopeOf(warm.map(({ at }, i) => [at / 3600, values[i] ?? Number.NaN]))),
      };
    });
    const x = { label: 'seconds', scale: 'linear' } as const;
    const memory = (['server', 'children'] as const).map((what) => ({
      name: NAMES[what],
      // A sample that comes late must not lengthen the axis.
      points: this.#samples.map((sample) => [Math.min(sample.at, this.#seconds), sample[what]] as const),
    }));
    const latency = LANES.flatMap((lane) =>
      [0.5, 0.99].map((part) => ({
        name: `${lane}, p${part * 100}`,
        points: this.#parts().map(
          ([from, to]) => [to, at(this.#between(this.#latencies, from, to), lane, part)] as const,
        ),
      })),
    );
    return [
      {
        title: 'Mixed requests over a time',
        rows: this.#parts().map(([from, to], i) => this.#row(from, to, i)),
        plot: {
          name: 'time',
          panels: [
            { title: 'Memory', x, y: { label: 'MB', scale: 'linear' }, series: memory },
            { title: 'Latency', x, y: { label: 'ms', scale: 'log' }, series: latency },
          ],
        },
      },
      { title: `What grows after the first ${Math.round((this.#seconds * WARM_PARTS) / PARTS)} s`, rows: growth },
    ];
  }

  #parts(): (readonly [from: number, to: number])[] {
    const length = this.#seconds / PARTS;
    return Array.from({ length: PARTS }, (_, i) => [i * length, (i + 1) * length]);
  }

  #between<T extends { readonly at: number }>(all: readonly T[], from: number, to: number): T[] {
    return all.filter((one) => one.at >= from && one.at < to);
  }

  #row(from: number, to: number, part: number): Row {
    const latencies = this.#between(this.#latencies, from, to);
    const samples = this.#samples.slice(part * SAMPLES_PER_PART, (part + 1) * SAMPLES_PER_PART);
    const last = samples.at(-1);
    return {
      'until s': to,
      answered: latencies.length,
      refused: this.#refused.filter((when) => when >= from && when < to).length,
      ...Object.fromEntries(
        LANES.flatMap((lane) => [
          [`${lane} p50 ms`, rounded(at(latencies, lane, 0.5))],
          [`${lane} p99 ms`, rounded(at(latencies, lane, 0.99))],
        ]),
      ),
      'server MB': Math.round(last?.server ?? Number.NaN),
      'children MB': Math.round(last?.children ?? Number.NaN),
      'server files': last?.serverFiles ?? Number.NaN,
      'children files': last?.childrenFiles ?? Number.NaN,
      version: this.#live[part] ?? '',
    };
  }
}

const NAMES = {
  server: "the server's memory, MB",
  children: "the children's memory, MB",
  serverFiles: "the server's open files",
  childrenFiles: "the children's open files",
};

function at(latencies: readonly Latency[], lane: Lane, part: number): number {
  return percentile(
    latencies.flatMap((one) => (one.lane === lane ? [one.ms] : [])),
    part,
  );
}

/** Of the straight line with the least squares. */
function slopeOf(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const middle = mean(points.map(([x]) => x));
  const level = mean(points.map(([, y]) => y));
  const both = points.reduce((sum, [x, y]) => sum + (x - middle) * (y - level), 0);
  return both / points.reduce((sum, [x]) => sum + (x - middle) ** 2, 0);
}
