import type { Tensor } from '../protocol/tensor.ts';
import { classesOf, shown } from './answer.ts';
import type { Split } from './api.ts';
import { h, type VNode } from './preact.ts';
import { milliseconds } from './shown.ts';

/** More bars than this are a table. */
const MAX_BARS = 10;
const MAX_CELLS = 400;
/** Numbers in a row from this many on are a line. */
const MIN_PLOT = 24;

/** One output: its classes as bars, or its numbers as a plot, or as a table. */
export function OutputView({ tensor }: { tensor: Tensor }): VNode {
  const { name, datatype, shape, data } = tensor;
  const classes = classesOf(tensor);
  const title = `${name}, ${datatype} [${shape.join(', ')}]`;
  if (classes !== undefined) {
    const bars = [...classes].sort((a, b) => b.value - a.value).slice(0, MAX_BARS);
    return h('figure', { class: 'output' }, [
      h('figcaption', {}, name),
      h(
        'ol',
        { class: 'bars' },
        bars.map(({ label, value }) => h(Bar, { label, value, largest: bars[0]?.value ?? 1 })),
      ),
    ]);
  }
  const isPlot = datatype !== 'BYTES' && datatype !== 'BOOL' && data.length >= MIN_PLOT;
  return h('figure', { class: 'output' }, [
    h('figcaption', {}, title),
    isPlot ? h(Plot, { values: Array.from(data as ArrayLike<number>, Number), name }) : null,
    h(TensorTable, { tensor }),
  ]);
}

function Bar({ label, value, largest }: { label: string; value: number; largest: number }): VNode {
  // Probabilities fill the bar; other scores are compared with the largest one.
  const isProbability = value >= 0 && largest <= 1.0001;
  const share = isProbability ? value : largest === 0 ? 0 : Math.max(0, value / Math.abs(largest));
  return h('li', { class: 'bar', title: `${label}: ${value}` }, [
    h('span', { class: 'bar-label' }, label),
    h('span', { class: 'bar-track', 'aria-hidden': 'true' }, [
      h('span', { class: 'bar-fill', style: { width: `${Math.min(1, share) * 100}%` } }),
    ]),
    h('span', { class: 'bar-value' }, isProbability ? `${(value * 100).toFixed(1)} %` : shown(value)),
  ]);
}

function Plot({ values, name }: { values: readonly number[]; name: string }): VNode {
  const finite = values.filter(Number.isFinite);
  // An output may have more elements than a call may have arguments.
  const low = finite.reduce((least, value) => Math.min(least, value), 0);
  const high = finite.reduce((most, value) => Math.max(most, value), 0);
  const span = high - low || 1;
  const point = (value: number, i: number): string =>
    `${((i / Math.max(1, values.length - 1)) * 600).toFixed(1)},${(100 - ((value - low) / span) * 100).toFixed(1)}`;
  const points = values.flatMap((value, i) => (Number.isFinite(value) ? [point(value, i)] : []));
  const label = `${name}: ${values.length} values from ${shown(low)} to ${shown(high)}`;
  return h('svg', { class: 'plot', viewBox: '-4 -4 608 108', role: 'img', 'aria-label': label }, [
    h('polyline', { points: points.join(' ') }),
  ]);
}

/** Rows of the last dimension, the first elements of a large tensor. */
export function TensorTable({ tensor }: { tensor: Tensor }): VNode {
  const { name, datatype, shape, data } = tensor;
  const columns = Math.max(1, Math.min(shape.at(-1) ?? 1, 20));
  const whole = shape.at(-1) ?? 1;
  const texts = Array.from({ length: Math.min(data.length, MAX_CELLS) }, (_, i) =>
    datatype === 'BOOL' ? String(data[i] === 1) : shown(data[i]),
  );
  const rows: string[][] = [];
  for (let i = 0; i < texts.length; i += columns) rows.push(texts.slice(i, i + columns));
  return h('div', { class: 'scroll', tabIndex: 0, role: 'region', 'aria-label': `Elements of ${name}` }, [
    h('table', { class: 'tensor' }, [
      h(
        'tbody',
        {},
        rows.map((row, i) =>
          h('tr', { key: i }, [h('th', { scope: 'row' }, `[${i * columns}]`), ...row.map((text) => h('td', {}, text))]),
        ),
      ),
    ]),
    data.length === 0 ? h('p', { class: 'note' }, 'no elements') : null,
    data.length > MAX_CELLS || whole > columns
      ? h('p', { class: 'note' }, `${texts.length} of ${data.length} elements, in rows of ${columns}`)
      : null,
  ]);
}

const PARTS = [
  ['network', 'network'],
  ['queue', 'queue'],
  ['compute', 'compute'],
  ['other', 'rest of the server'],
] as const;

export function TimeSplit({ split }: { split: Split }): VNode {
  const total = PARTS.reduce((sum, [part]) => sum + split[part], 0);
  return h('div', { class: 'split' }, [
    h(
      'div',
      { class: 'split-bar', 'aria-hidden': 'true' },
      PARTS.map(([part]) => h('span', { class: `part ${part}`, style: { width: `${(split[part] / total) * 100}%` } })),
    ),
    h(
      'ul',
      {},
      PARTS.map(([part, name]) =>
        h('li', {}, [
          h('span', { class: `dot ${part}`, 'aria-hidden': 'true' }),
          `${name} `,
          h('strong', {}, milliseconds(split[part])),
        ]),
      ),
    ),
  ]);
}
