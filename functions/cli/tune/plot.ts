import type { Size } from './recommend.ts';

const WIDTH = 860;
const HEIGHT = 360;
const PANEL = { width: 330, height: 240, top: 60 };
const LEFT = [70, 500] as const;
const COLOURS = ['#0b6e99', '#d9730d', '#448361', '#9065b0', '#c14c8a', '#5c5c5c'];

/** Time and cost by memory, as an SVG of two panels. */
export function plotOf(title: string, sizes: readonly Size[], best: Size | undefined): string {
  const counts = [...new Set(sizes.flatMap(({ runs }) => runs.map(({ threads }) => threads)))].sort((a, b) => a - b);
  const longest = Math.max(...sizes.flatMap(({ runs }) => runs.map(({ runMs }) => runMs)));
  const dearest = Math.max(...sizes.map(({ usd }) => usd));
  const lines = counts.flatMap((threads, i) => {
    const places = sizes.flatMap(({ runs }, at) => {
      const found = runs.find((run) => run.threads === threads);
      return found === undefined ? [] : [[centre(LEFT[0], at, sizes.length), height(found.runMs, longest)] as const];
    });
    const colour = COLOURS[i % COLOURS.length];
    const points = places.map(([x, y]) => `${x},${y}`).join(' ');
    return [
      `<polyline points="${points}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      ...places.map(([x, y]) => `<circle cx="${x}" cy="${y}" r="3" fill="${colour}"/>`),
      text(LEFT[0] + 8 + 80 * i, 52, threads === 1 ? '1 thread' : `${threads} threads`, 'start', colour),
    ];
  });
  const bars = sizes.map((size, at) => {
    const [x, y] = [centre(LEFT[1], at, sizes.length), height(size.usd, dearest)];
    const [width, base] = [(PANEL.width / sizes.length) * 0.6, PANEL.top + PANEL.height];
    const colour = size === best ? COLOURS[2] : '#b5c7cf';
    return [
      `<rect x="${(x - width / 2).toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${(base - y).toFixed(1)}" fill="${colour}"/>`,
      text(x, y - 5, size.usd.toFixed(2)),
    ].join('');
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="11">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    text(LEFT[0], 24, title, 'start'),
    ...axes(LEFT[0], 'ms of a run', longest, sizes),
    ...axes(LEFT[1], 'USD per million requests', dearest, sizes),
    ...lines,
    ...bars,
    '</svg>',
    '',
  ].join('\n');
}

function axes(left: number, label: string, most: number, sizes: readonly Size[]): string[] {
  const base = PANEL.top + PANEL.height;
  return [
    text(left, PANEL.top - 22, label, 'start'),
    `<path d="M${left} ${PANEL.top} V${base} H${left + PANEL.width}" fill="none" stroke="#444"/>`,
    ...[0, 0.5, 1].map((part) => text(left - 6, base - part * PANEL.height + 4, (part * most).toPrecision(3), 'end')),
    ...sizes.map(({ memoryMb }, at) => text(centre(left, at, sizes.length), base + 16, `${memoryMb}`)),
    text(left + PANEL.width / 2, base + 36, 'MB of memory'),
  ];
}

function centre(left: number, at: number, count: number): number {
  return Math.round(left + ((at + 0.5) * PANEL.width) / count);
}

function height(value: number, most: number): number {
  return Math.round(PANEL.top + PANEL.height * (1 - value / most));
}

function text(x: number, y: number, content: string, anchor = 'middle', colour = '#222'): string {
  const safe = content.replace(/[&<>]/g, (found) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[found] ?? '');
  return `<text x="${x}" y="${y}" text-anchor="${anchor}" fill="${colour}">${safe}</text>`;
}
