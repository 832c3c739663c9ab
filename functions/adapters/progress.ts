// Progress of long work, on a terminal. Elsewhere nothing is shown.

import { MultiBar, Presets, SingleBar } from 'cli-progress';
import type { Content } from '../inference/ports.ts';
import type { WatchDownload } from './download.ts';

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
    this.#bar = new SingleBar(BYTES, Presets.legacy);
    this.#bar.start(total, 0, { label });
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

const BYTES = {
  format: '{label} [{bar}] {percentage} % | {value} of {total} | {eta_formatted}',
  formatValue: (value: number, _: unknown, type: string): string =>
    type === 'value' || type === 'total' ? bytesText(value) : `${value}`,
  hideCursor: true,
  clearOnComplete: true,
};

/** A bar for each download; undefined where there is no terminal. */
export function downloadBars(): WatchDownload | undefined {
  if (!process.stderr.isTTY) return undefined;
  let bars: MultiBar | undefined;
  let open = 0;
  return (label, bytes) => {
    bars ??= new MultiBar(BYTES, Presets.legacy);
    const bar = bars.create(bytes, 0, { label });
    open++;
    return {
      add: (more) => bar.increment(more),
      end: () => {
        bars?.remove(bar);
        if (--open > 0) return;
        // Its timer would keep the process alive.
        bars?.stop();
        bars = undefined;
      },
    };
  };
}
