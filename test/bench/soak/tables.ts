// What was found over the time: by parts of it, and what grew.

import { percentile, rounded } from '../figures.ts';
import type { Row, Table } from '../section.ts';
import type { Lane } from './requests.ts';
import { type Latency, PARTS, SAMPLES_PER_PART, type Soaked } from './soak.ts';

/** Until then what is needed once is still being loaded. */
const WARM_PARTS = 2;
const LANES: readonly Lane[] = ['inline', 'isolated'];

const NAMES = {
  server: "the server's memory, MB",
  children: "the children's memory, MB",
  serverFiles: "the server's open files",
  childrenFiles: "the children's open files",
};

export function tablesOf(soaked: Soaked): Table[] {
  const { seconds, samples, latencies } = soaked;
  const warm = samples.filter(({ at }) => at > (seconds * WARM_PARTS) / PARTS);
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
    points: samples.map((sample) => [Math.min(sample.at, seconds), sample[what]] as const),
  }));
  const latency = LANES.flatMap((lane) =>
    [0.5, 0.99].map((part) => ({
      name: `${lane}, p${part * 100}`,
      points: partsOf(seconds).map(([from, to]) => [to, at(between(latencies, from, to), lane, part)] as const),
    })),
  );
  return [
    {
      title: 'Mixed requests over a time',
      rows: partsOf(seconds).map(([from, to], i) => rowOf(soaked, from, to, i)),
      plot: {
        name: 'time',
        panels: [
          { title: 'Memory', x, y: { label: 'MB', scale: 'linear' }, series: memory },
          { title: 'Latency', x, y: { label: 'ms', scale: 'log' }, series: latency },
        ],
      },
    },
    { title: `What grows after the first ${Math.round((seconds * WARM_PARTS) / PARTS)} s`, rows: growth },
  ];
}

function partsOf(seconds: number): (readonly [from: number, to: number])[] {
  const length = seconds / PARTS;
  return Array.from({ length: PARTS }, (_, i) => [i * length, (i + 1) * length]);
}

function between<T extends { readonly at: number }>(all: readonly T[], from: number, to: number): T[] {
  return all.filter((one) => one.at >= from && one.at < to);
}

function rowOf({ samples, latencies, refused, live }: Soaked, from: number, to: number, part: number): Row {
  const timed = between(latencies, from, to);
  const last = samples[(part + 1) * SAMPLES_PER_PART - 1];
  return {
    'until s': to,
    answered: timed.length,
    refused: refused.filter((when) => when >= from && when < to).length,
    ...Object.fromEntries(
      LANES.flatMap((lane) => [
        [`${lane} p50 ms`, rounded(at(timed, lane, 0.5))],
        [`${lane} p99 ms`, rounded(at(timed, lane, 0.99))],
      ]),
    ),
    'server MB': Math.round(last?.server ?? Number.NaN),
    'children MB': Math.round(last?.children ?? Number.NaN),
    'server files': last?.serverFiles ?? Number.NaN,
    'children files': last?.childrenFiles ?? Number.NaN,
    version: live[part] ?? '',
  };
}

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
