// `npm start` with so many models: copies of the digits, each of them loaded and asked.

import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { startServer } from '../../setup/edges.ts';
import { DIGITS } from '../digits.ts';
import { middle, rounded } from '../figures.ts';
import { measure } from '../load.ts';
import type { Table } from '../section.ts';
import { memoryOf, ofLine, panelOf, valueAt } from './growth.ts';
import { check, digits, urlOf } from './requests.ts';
import type { Point } from './straight.ts';

const ASKING = 4;

type Started = {
  readonly models: number;
  /** Seconds from the start of the process until one answered, and until all had. */
  readonly first: number;
  readonly all: number;
  /** Of a request then, to one of them. */
  readonly medianMs: number;
  readonly memory: number;
};

export async function manyModels(
  scratch: string,
  counts: readonly number[],
  rounds: number,
  seconds: number,
  progress: (text: string) => void,
): Promise<Table> {
  const found: Started[][] = counts.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, count] of counts.entries()) {
      progress(`${count} models, round ${round + 1}`);
      found[i]?.push(await start(join(scratch, 'many'), count, seconds));
    }
  }
  const pointsOf = (key: keyof Started): Point[] => counts.map((count, i) => [count, middle(found[i] ?? [], key)]);
  const [first, all, latency, memory] = [pointsOf('first'), pointsOf('all'), pointsOf('medianMs'), pointsOf('memory')];
  const x = { label: 'models', scale: 'linear' } as const;
  const times = [
    { name: 'one answers', points: first },
    { name: 'all have answered', points: all },
  ];
  return {
    title: 'Models that a server has',
    rows: counts.map((count) => ({
      models: count,
      'one answers, s': rounded(valueAt(first, count)),
      'all have answered, s': rounded(valueAt(all, count)),
      'of the line': ofLine(all, count),
      'ms of a request': rounded(valueAt(latency, count)),
      'memory MB': rounded(valueAt(memory, count)),
      'MB of each further one': count === counts[0] ? '' : rounded(further(memory, count)),
    })),
    plot: {
      name: 'models',
      panels: [
        panelOf('From the start of the process', x, { label: 's', scale: 'linear' }, times),
        panelOf('Memory of all processes', x, { label: 'MB', scale: 'linear' }, [{ name: 'digits', points: memory }]),
      ],
    },
  };
}

function further(memory: readonly Point[], count: number): number {
  const [[least, mb] = [0, 0]] = memory;
  return (valueAt(memory, count) - mb) / (count - least);
}

async function start(folder: string, count: number, seconds: number): Promise<Started> {
  const names = Array.from({ length: count }, (_, i) => `digits-${i}`);
  for (const name of names) {
    cpSync(join(DIGITS, '1'), join(folder, name, '1'), { recursive: true });
    cpSync(join(DIGITS, 'labels.txt'), join(folder, name, 'labels.txt'));
  }
  const began = performance.now();
  const passed = (): number => (performance.now() - began) / 1000;
  const server = await startServer({ MODEL_REPOSITORY: folder });
  try {
    await check(server.url, digits(1, names[0]));
    const first = passed();
    const waiting = [...names];
    const ask = async (): Promise<void> => {
      for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
        await check(server.url, digits(1, name));
      }
    };
    await Promise.all(Array.from({ length: ASKING }, ask));
    const all = passed();
    const asked = digits(1, names.at(-1));
    const { medianMs } = await measure({ ...asked, url: urlOf(server.url, asked) }, 1, seconds);
    return { models: count, first, all, medianMs, memory: memoryOf(server) };
  } finally {
    await server.close();
    rmSync(folder, { recursive: true });
  }
}
