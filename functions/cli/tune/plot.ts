import { plotOf } from '../plot.ts';
import type { Size } from './recommend.ts';

/** Time and cost by memory, as an SVG of two panels. */
export function tuningPlot(title: string, sizes: readonly Size[], best: Size | undefined): string {
  const counts = [...new Set(sizes.flatMap(({ runs }) => runs.map(({ threads }) => threads)))].sort((a, b) => a - b);
  const x = { label: 'MB of memory', scale: 'log' } as const;
  const times = counts.map((threads) => ({
    name: threads === 1 ? '1 thread' : `${threads} threads`,
    points: sizes.flatMap(({ memoryMb, runs }) =>
      runs.filter((run) => run.threads === threads).map(({ runMs }) => [memoryMb, runMs] as const),
    ),
  }));
  const costs = [{ name: 'with the best threads', points: sizes.map(({ memoryMb, usd }) => [memoryMb, usd] as const) }];
  if (best !== undefined) costs.push({ name: `best: ${best.memoryMb} MB`, points: [[best.memoryMb, best.usd]] });
  return plotOf(title, [
    { title: 'Time', x, y: { label: 'ms of a run', scale: 'linear' }, series: times },
    { title: 'Cost', x, y: { label: 'USD per million requests', scale: 'linear' }, series: costs },
  ]);
}
