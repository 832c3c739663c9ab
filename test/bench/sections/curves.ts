// What a request costs as it grows, or as callers and models become more: straight lines or flat ones are expected.

import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { startServer } from '../../setup/edges.ts';
import { makeModels } from '../../setup/models.ts';
import { madeRepository } from '../../setup/repository.ts';
import {
  type Growing,
  type Grown,
  grow,
  ofLine,
  type Plan,
  panelOf,
  rowsOf,
  startEcho,
  valueAt,
} from '../curves/growth.ts';
import { manyModels } from '../curves/many-models.ts';
import { digits, given } from '../curves/requests.ts';
import { DIGITS } from '../digits.ts';
import { rounded } from '../figures.ts';
import type { Section, Table } from '../section.ts';

const POWERS = [1, 2, 4, 8, 16, 32, 64, 128, 256];
const SHOWN = [1, 16, 64, 256];
const KB = [1, 4, 16, 64, 256, 1_000, 4_000, 16_000, 64_000];
const SHOWN_KB = [1, 64, 1_000, 16_000, 64_000];
const COUNTS = [1, 30, 100, 200, 300];
const ROUNDS = 3;
/** Above ONNX Runtime's own rounding, after 16 products. */
const REFLECTED = 0.05;
const WIDTH = 1024;
const ENVIRONMENT = { MAX_BODY_BYTES: String(128 * 1024 ** 2), MAX_QUEUE_SIZE: '1000' };

export default {
  name: 'curves',
  what: 'latency and memory of the local server by rows, tensor size, callers and models',
  async run({ quick, scratch, progress }): Promise<Table[]> {
    const made = await makeModels();
    const { folder, model, remove } = madeRepository(() => made.folder);
    const vector = (name: string): string => `{ name: "${name}" data_type: TYPE_FP32 dims: [ ${WIDTH} ] }`;
    try {
      cpSync(DIGITS, join(folder, 'digits'), { recursive: true });
      // Whole, so that nothing is merged.
      model(
        'reflections',
        'reflections',
        `max_batch_size: 256 input [ ${vector('INPUT0')} ] output [ ${vector('OUTPUT0')} ]`,
      );
      model('identity_fp32', 'identity_fp32', '');
      const start = () => startServer({ ...ENVIRONMENT, MODEL_REPOSITORY: folder });
      const plan = (xs: readonly number[], seconds: number, callersOf: (x: number) => number = () => 1): Plan => ({
        xs: quick ? [xs[0] as number, xs.at(-1) as number] : xs,
        callersOf,
        rounds: quick ? 1 : ROUNDS,
        seconds: quick ? 0.2 : seconds,
      });
      const some = (xs: readonly number[]): readonly number[] => (quick ? [xs[0] as number, xs.at(-1) as number] : xs);
      const rows = [
        { name: 'digits', start, ask: (x: number) => digits(x) },
        { name: 'reflections', start, ask: (x: number) => given('reflections', x, WIDTH, REFLECTED) },
      ];
      const identity = (kb: number) => given('identity_fp32', 1, kb * 250, 0);
      const sizes = [
        { name: 'identity', start, ask: identity },
        { name: 'bare node:http', start: startEcho, ask: identity },
      ];
      const callers = rows.map(({ ask, ...one }) => ({ ...one, ask: () => ask(1) }));
      const grown = async (which: readonly Growing[], how: Plan): Promise<Grown[]> => {
        const all: Grown[] = [];
        for (const one of which) all.push(await grow(one, how, progress));
        return all;
      };
      return [
        tableOf('Rows of a request', 'rows', 'rows', some(SHOWN), await grown(rows, plan(POWERS, 0.7))),
        tableOf(
          'Size of the tensor that comes and goes',
          'size',
          'kB',
          some(SHOWN_KB),
          await grown(sizes, plan(KB, 0.8)),
        ),
        callersTable(
          some(SHOWN),
          await grown(
            callers,
            plan(POWERS, 1.5, (x) => x),
          ),
        ),
        await manyModels(scratch, quick ? [1, 10] : COUNTS, quick ? 1 : ROUNDS, quick ? 0.2 : 1, progress),
      ];
    } finally {
      remove();
      made.remove();
    }
  },
} satisfies Section;

function tableOf(title: string, name: string, unit: string, shown: readonly number[], grown: readonly Grown[]): Table {
  const x = { label: unit, scale: 'log' } as const;
  const latencies = grown.map((one) => ({ name: one.name, points: one.latency }));
  const memories = grown.map((one) => ({ name: one.name, points: one.memory }));
  const panels = [
    panelOf('One caller', x, { label: 'ms, median', scale: 'log' }, latencies),
    panelOf('Memory of all processes', x, { label: 'MB', scale: 'linear' }, memories),
  ];
  return { title, rows: rowsOf(unit, shown, grown), plot: { name, panels } };
}

function callersTable(shown: readonly number[], grown: readonly Grown[]): Table {
  const x = { label: 'callers', scale: 'log' } as const;
  const latencies = grown.map(({ name, latency }) => ({ name, points: latency }));
  const rates = grown.map(({ name, perSecond }) => ({ name, points: perSecond }));
  return {
    title: 'Callers at once, who each wait for their answer',
    rows: grown.flatMap(({ name, latency, p99, perSecond, memory }) =>
      shown.map((callers) => ({
        model: name,
        callers,
        'requests/s': rounded(valueAt(perSecond, callers)),
        'ms, median': rounded(valueAt(latency, callers)),
        'of the line': ofLine(latency, callers),
        'ms, p99': rounded(valueAt(p99, callers)),
        'memory MB': rounded(valueAt(memory, callers)),
      })),
    ),
    plot: {
      name: 'callers',
      panels: [
        panelOf('Latency', x, { label: 'ms, median', scale: 'log' }, latencies),
        { title: 'Throughput', x, y: { label: 'requests/s', scale: 'log' }, series: rates },
      ],
    },
  };
}
