// Line plots as SVG, readable on light and on dark pages, with the exact values as tooltips of the points, where they are few.

/** `label` names what is shown, with its unit; a logarithmic axis has no place for zero and less. */
export type Axis = { readonly label: string; readonly scale: 'linear' | 'log' };

export type Series = {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** A line that something is held against: dashed, without points. */
  readonly isReference?: boolean;
};

export type Panel = { readonly title: string; readonly x: Axis; readonly y: Axis; readonly series: readonly Series[] };

type Range = { readonly from: number; readonly to: number; readonly ticks: readonly number[] };
type Scale = Range & { readonly place: (value: number) => number };

const WIDTH = 430;
const BOX = { left: 64, top: 84, width: 340, height: 230 };
const HEIGHT = BOX.top + BOX.height + 52;
/** Lines of the legend: two above the box. */
const LEGEND = { line: 16, perLine: 2, column: 175 };
const TICKS = 6;
/** Points of a series that stand apart; of more, only the line is drawn. */
const APART = 40;
/** Light and dark of the same hue: https://jfly.uni-koeln.de/color/ without its yellow, which white swallows. */
const COLOURS = [
  ['#0072b2', '#56b4e9'],
  ['#d55e00', '#e69f00'],
  ['#007a5a', '#00c08b'],
  ['#a6477f', '#e59cc8'],
] as const;
const STYLE = [
  'svg{background:#fff;color:#222}',
  ...COLOURS.map(([light], i) => `.s${i}{color:${light}}`),
  `@media(prefers-color-scheme:dark){svg{background:#0d1117;color:#e6edf3}${COLOURS.map(([, dark], i) => `.s${i}{color:${dark}}`).join('')}}`,
].join('');

/**
 * Panels side by side.
 * @throws RangeError where a value has no place on a logarithmic axis, or there is no point at all
 */
export function plotOf(title: string, panels: readonly Panel[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH * panels.length} ${HEIGHT}" font-family="sans-serif" font-size="11" fill="currentColor">`,
    `<title>${escaped(title)}</title>`,
    `<style>${STYLE}</style>`,
    text(BOX.left, 22, title, 'start', 'font-size="13" font-weight="bold"'),
    ...panels.map((panel, i) => `<g transform="translate(${WIDTH * i})">\n${panelOf(panel).join('\n')}\n</g>`),
    '</svg>',
    '',
  ].join('\n');
}

function panelOf({ title, x, y, series }: Panel): string[] {
  const points = series.flatMap((one) => one.points);
  const across = rangeOf(
    x,
    points.map(([value]) => value),
  );
  const up = rangeOf(
    y,
    points.map(([, value]) => value),
  );
  const right = scaleOf(x, across, BOX.left, BOX.width);
  const above = scaleOf(y, up, BOX.top + BOX.height, -BOX.height);
  const base = BOX.top + BOX.height;
  return [
    text(BOX.left, 42, title, 'start'),
    ...above.ticks.flatMap((tick) => {
      const at = rounded(above.place(tick));
      return [
        `<path d="M${BOX.left} ${at}h${BOX.width}" stroke="currentColor" stroke-opacity="0.15"/>`,
        text(BOX.left - 6, at + 4, numberOf(tick), 'end'),
      ];
    }),
    ...right.ticks.flatMap((tick) => {
      const at = rounded(right.place(tick));
      return [`<path d="M${at} ${base}v4" stroke="currentColor"/>`, text(at, base + 17, numberOf(tick), 'middle')];
    }),
    `<path d="M${BOX.left} ${BOX.top}V${base}h${BOX.width}" fill="none" stroke="currentColor"/>`,
    text(BOX.left + BOX.width / 2, base + 38, x.label, 'middle'),
    text(0, 0, y.label, 'middle', `transform="translate(14 ${BOX.top + BOX.height / 2}) rotate(-90)"`),
    ...series.flatMap((one, i) => lineOf(one, i, right, above)),
  ];
}

function lineOf({ name, points, isReference = false }: Series, i: number, x: Scale, y: Scale): string[] {
  const places = points.map(([a, b]) => [rounded(x.place(a)), rounded(y.place(b))] as const);
  const dashes = isReference ? ' stroke-dasharray="5 4"' : '';
  const line = `fill="none" stroke="currentColor" stroke-width="${isReference ? 1 : 2}"${dashes}`;
  const left = BOX.left + (i % LEGEND.perLine) * LEGEND.column;
  const top = 58 + Math.floor(i / LEGEND.perLine) * LEGEND.line;
  const dots =
    isReference || points.length > APART
      ? []
      : places.map(([a, b], at) => {
          const [value, result] = points[at] ?? [0, 0];
          return `<circle cx="${a}" cy="${b}" r="3"><title>${numberOf(value)}: ${numberOf(result)}</title></circle>`;
        });
  return [
    `<g class="${isReference ? 'reference' : `s${i % COLOURS.length}`}" style="fill:currentColor">`,
    `<polyline points="${places.map((place) => place.join(',')).join(' ')}" ${line}/>`,
    ...dots,
    `<path d="M${left} ${top - 4}h18" ${line}/>`,
    text(left + 24, top, name, 'start'),
    '</g>',
  ];
}

/** From one tick to another, around all values; a linear one from zero. */
function rangeOf({ label, scale }: Axis, values: readonly number[]): Range {
  const wrong = values.find((value) => !Number.isFinite(value) || (scale === 'log' && value <= 0));
  if (values.length === 0 || wrong !== undefined) {
    throw new RangeError(
      `'${label}' shows ${wrong ?? 'nothing'}; expected numbers that its ${scale} axis has a place for`,
    );
  }
  return scale === 'log' ? decades(values) : steps(values);
}

/** Ticks at 1, 2 and 5, or where that were too many, at powers of ten. */
function decades(values: readonly number[]): Range {
  const [from, to] = [Math.floor(Math.log10(Math.min(...values))), Math.ceil(Math.log10(Math.max(...values)))];
  const [first, last] = [Math.min(...values), Math.max(...values)];
  const all = (digits: readonly number[]): number[] =>
    Array.from({ length: to - from + 1 }, (_, i) => digits.map((digit) => Number(`${digit}e${from + i}`))).flat();
  const close = around(all([1, 2, 5]), first, last);
  const ticks = close.length <= TICKS ? close : around(all([1]), first, last);
  return { from: ticks[0] as number, to: ticks.at(-1) as number, ticks };
}

/** Of candidates in order: those from just below to just above. */
function around(candidates: readonly number[], first: number, last: number): number[] {
  const from = candidates.findLastIndex((tick) => tick <= first);
  const to = candidates.findIndex((tick) => tick >= last);
  return candidates.slice(Math.max(0, from), Math.max(to, from + 1) + 1);
}

function steps(values: readonly number[]): Range {
  const most = Math.max(...values);
  const [lowest] = [Math.min(0, ...values)];
  const rough = (most - lowest) / (TICKS - 1) || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((digit) => digit * power >= rough * (1 - 1e-9)) ?? 10);
  const [from, to] = [Math.floor(lowest / step), Math.ceil(most / step - 1e-9)];
  const ticks = Array.from({ length: to - from + 1 }, (_, i) => Number(((from + i) * step).toPrecision(12)));
  return { from: ticks[0] as number, to: ticks.at(-1) as number, ticks };
}

function scaleOf({ scale }: Axis, range: Range, start: number, length: number): Scale {
  const measure = scale === 'log' ? Math.log10 : (value: number): number => value;
  const [from, to] = [measure(range.from), measure(range.to)];
  return { ...range, place: (value) => start + ((measure(value) - from) / (to - from || 1)) * length };
}

function numberOf(value: number): string {
  return Number(value.toPrecision(4)).toLocaleString('en-US', { maximumSignificantDigits: 4 });
}

function rounded(value: number): number {
  return Number(value.toFixed(1));
}

function text(x: number, y: number, content: string, anchor: 'start' | 'middle' | 'end', more = ''): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}"${more === '' ? '' : ` ${more}`}>${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replace(/[&<>]/g, (found) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[found] ?? '');
}
