// What a request costs as something of it grows, and how that is shown.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Axis, Panel, Series } from '../../../functions/cli/plot.ts';
import type { ServerProcess } from '../../setup/edges.ts';
import { middle, rounded } from '../figures.ts';
import { type Load, type Measured, measure } from '../load.ts';
import { memoryMb, treeOf } from '../processes.ts';
import type { Row } from '../section.ts';
import { type Asked, check, urlOf } from './requests.ts';
import { at, type Point, straightLine } from './straight.ts';

type Served = Pick<ServerProcess, 'url' | 'process' | 'close'>;

/** What is asked at each size, of a server of its own. */
export type Growing = {
  readonly name: string;
  readonly ask: (x: number) => Asked;
  readonly start: () => Promise<Served>;
};

export type Grown = {
  readonly name: string;
  /** Median of a request's milliseconds. */
  readonly latency: readonly Point[];
  readonly p99: readonly Point[];
  readonly perSecond: readonly Point[];
  /** MB of the server with its children, after the first requests of that size: smaller ones came before. */
  readonly memory: readonly Point[];
};

export type Plan = {
  readonly xs: readonly number[];
  readonly callersOf: (x: number) => number;
  readonly rounds: number;
  /** Of a size in a round. */
  readonly seconds: number;
};

/** Checks the answer at each size, then measures all in turns. */
export async function grow(
  { name, ask, start }: Growing,
  { xs, callersOf, rounds, seconds }: Plan,
  progress: (text: string) => void,
): Promise<Grown> {
  const server = await start();
  try {
    const memory: Point[] = [];
    const measured = xs.map((): Measured[] => []);
    for (let round = 0; round < rounds; round++) {
      for (const [i, x] of xs.entries()) {
        progress(`${name}, ${x}, round ${round + 1}`);
        const asked = ask(x);
        if (round === 0) await check(server.url, asked);
        const load: Load = { url: urlOf(server.url, asked), body: asked.body, headers: asked.headers };
        measured[i]?.push(await measure(load, callersOf(x), seconds));
        if (round === 0) memory.push([x, memoryOf(server)]);
      }
    }
    const pointsOf = (key: keyof Measured): Point[] => xs.map((x, i) => [x, middle(measured[i] ?? [], key)]);
    return { name, latency: pointsOf('medianMs'), p99: pointsOf('p99Ms'), perSecond: pointsOf('perSecond'), memory };
  } finally {
    await server.close();
  }
}

/** A server that only gives back what it gets: what Node and the machine take of a request. */
export async function startEcho(): Promise<Served> {
  const command = [join(import.meta.dirname, 'echo.ts')];
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [port] = await once(child.stdout, 'data');
  return {
    url: `http://127.0.0.1:${String(port).trim()}`,
    process: child,
    async close() {
      child.kill();
      await once(child, 'exit');
    },
  };
}

/** MB, of the server with its children. */
export function memoryOf(server: Served): number {
  return memoryMb(treeOf(server.process.pid ?? 0));
}

export type Named = { readonly name: string; readonly points: readonly Point[] };

/** With the straight line of each beside it. */
export function panelOf(title: string, x: Axis, y: Axis, shown: readonly Named[]): Panel {
  const lines = shown.map(({ name, points }): Series => {
    const line = straightLine(points);
    return { name: `${name}, straight`, points: points.map(([a]) => [a, at(line, a)]), isReference: true };
  });
  return { title, x, y, series: [...shown, ...lines] };
}

/** How many times its straight line a point is: 1 where nothing bends. */
export function ofLine(points: readonly Point[], x: number): number {
  return Number((valueAt(points, x) / at(straightLine(points), x)).toPrecision(2));
}

export function valueAt(points: readonly Point[], x: number): number {
  return points.find(([other]) => other === x)?.[1] ?? Number.NaN;
}

/** Latency and memory at some of the sizes. */
export function rowsOf(unit: string, shown: readonly number[], grown: readonly Grown[]): Row[] {
  return grown.flatMap(({ name, latency, memory }) =>
    shown.map((x) => ({
      model: name,
      [unit]: x.toLocaleString('en-US'),
      'ms, median': rounded(valueAt(latency, x)),
      'of the line': ofLine(latency, x),
      'memory MB': rounded(valueAt(memory, x)),
    })),
  );
}
