// What a person at a terminal sees: tables, sizes, progress.

import { Presets, SingleBar } from 'cli-progress';
import Table from 'cli-table3';
import type { Content } from '../inference/ports.ts';

export type Row = { readonly [column: string]: string };

/** A table with the columns of its first row; nothing without rows. */
export function table(rows: readonly Row[]): string {
  const [first] = rows;
  if (first === undefined) return '';
  const plain = { head: [], border: [] };
  const head = Object.keys(first);
  const drawn = new Table({ head, style: plain, chars: BORDERLESS });
  drawn.push(...rows.map((row) => head.map((column) => row[column] ?? '')));
  return drawn.toString();
}

const BORDERLESS = Object.fromEntries(
  'top top-mid top-left top-right bottom bottom-mid bottom-left bottom-right left left-mid mid mid-mid right right-mid'
    .split(' ')
    .map((part) => [part, ''])
    .concat([['middle', '  ']]),
);

/** In decimal units, as disks and S3 count. */
export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** power;
  return `${power === 0 ? value : value.toPrecision(3)} ${units[power]}`;
}

/** Shows how many steps of a long work are done, on a terminal. */
export class StepProgress {
  readonly #bar: SingleBar | undefined;

  constructor(label: string, total: number) {
    if (!process.stderr.isTTY) return;
    this.#bar = new SingleBar(
      { format: `${label} [{bar}] {value} of {total} | {eta_formatted}`, hideCursor: true },
      Presets.legacy,
    );
    this.#bar.start(total, 0);
  }

  step(): void {
    this.#bar?.increment();
  }

  stop(): void {
    this.#bar?.stop();
  }
}

/** Shows how much of the contents has been read, on a terminal. */
export class ByteProgress {
  readonly #bar: SingleBar | undefined;

  /** @param total bytes that will be read, of all contents together */
  constructor(label: string, total: number) {
    if (!process.stderr.isTTY || total === 0) return;
    const formatValue = (value: number, _: unknown, type: string): string =>
      type === 'value' || type === 'total' ? bytesText(value) : `${value}`;
    this.#bar = new SingleBar(
      {
        format: `${label} [{bar}] {percentage} % | {value} of {total} | {eta_formatted}`,
        formatValue,
        hideCursor: true,
      },
      Presets.legacy,
    );
    this.#bar.start(total, 0);
  }

  watch(content: Content): Content {
    const bar = this.#bar;
    if (bar === undefined) return content;
    return {
      size: content.size,
      sha256: () => content.sha256(),
      async *open() {
        for await (const chunk of content.open()) {
          bar.increment(chunk.length);
          yield chunk;
        }
      },
    };
  }

  stop(): void {
    this.#bar?.stop();
  }
}
