import { type Architecture, requestMs, usdPerMillion } from '../../adapters/lambda-prices.ts';
import type { Loading, Measurements, Result } from './measure.ts';

/** A size of the function, with the number of threads that is best there. */
export type Size = {
  readonly memoryMb: number;
  /** Of each number of threads that was tried. */
  readonly runs: readonly Result[];
  /** As many threads as the function takes by itself. */
  readonly ownThreads: number;
  readonly threads: number;
  readonly runMs: number;
  readonly usd: number;
  /** Whether the model has room. */
  readonly fits: boolean;
};

export type Recommendation = {
  readonly sizes: readonly Size[];
  /** Undefined where no size has room, or is fast enough. */
  readonly best: Size | undefined;
  /** The model's configuration has to say so, as the function would take another number. */
  readonly ownThreads: number | undefined;
  readonly prepacking: {
    readonly on: Loading;
    readonly off: Loading;
    readonly choice: 'on' | 'off';
    /** As the version has it by itself; otherwise the model's configuration has to say so. */
    readonly isOwn: boolean;
    readonly evenAfter: number;
  };
  /** Rows of a request beyond which a row does not get much cheaper. */
  readonly rows: number;
  /** The most that were tried. */
  readonly mostRows: number;
  /** MB that a function needs for the model. */
  readonly neededMb: number;
};

/** What requests and answers take beside the model's process, in MB: an estimate. */
const BESIDE_MB = 128;
/** Of sizes that cost about the same the faster one is better. */
const SAME_COST = 1.05;
/** Another number of threads than the function takes by itself, or more memory, has to make a request a tenth faster. */
const WORTH = 0.9;
/** Twice the rows are worth it where a row takes so much less. */
const CHEAPER_ROW = 0.9;
/** Without prepacking: so much less to load, unless the version is loaded so by itself, and hardly more to run. */
const [QUICKER_LOAD, SAME_RUN] = [0.8, 1.02];

/**
 * @param withinMs that a run may take at most; Infinity: any time
 * @param ownThreads how many threads the function takes by itself with so many MB of memory
 * @param ownPrepacking whether the version is prepacked by itself
 */
export function recommend(
  { results, loadings }: Measurements,
  architecture: Architecture,
  withinMs: number,
  ownThreads: (memoryMb: number) => number,
  ownPrepacking: boolean,
): Recommendation {
  const neededMb = Math.ceil(Math.max(...loadings.map(({ peakMb }) => peakMb))) + BESIDE_MB;
  const bySize = Object.entries(Object.groupBy(results, ({ memoryMb }) => memoryMb ?? 0));
  const sizes = bySize.flatMap(([size, runs = []]): Size[] => {
    const memoryMb = Number(size);
    if (memoryMb === 0) return [];
    const own = ownThreads(memoryMb);
    const [threads, runMs] = bestThreads(memoryMb, runs, own);
    const usd = usdPerMillion(runMs, memoryMb, architecture);
    return [{ memoryMb, runs, ownThreads: own, threads, runMs, usd, fits: memoryMb >= neededMb }];
  });
  const good = sizes.filter(({ fits, runMs }) => fits && runMs <= withinMs);
  const cheapest = Math.min(...good.map(({ usd }) => usd));
  const affordable = good.filter(({ usd }) => usd <= cheapest * SAME_COST);
  const timeOf = ({ runMs, memoryMb }: Size): number => requestMs(runMs, memoryMb);
  const fastest = Math.min(...affordable.map(timeOf));
  const [best] = affordable.filter((size) => timeOf(size) * WORTH <= fastest).sort((a, b) => a.memoryMb - b.memoryMb);
  return {
    sizes,
    best,
    ownThreads: best === undefined || best.threads === best.ownThreads ? undefined : best.threads,
    prepacking: prepackingFor(results, loadings, ownPrepacking),
    rows: rowsFor(results),
    mostRows: Math.max(...results.map(({ rows }) => rows)),
    neededMb,
  };
}

/** What the function takes by itself, unless another number is clearly faster. */
function bestThreads(memoryMb: number, runs: readonly Result[], ownThreads: number): [threads: number, runMs: number] {
  const fastest = runs.reduce((a, b) => (b.runMs < a.runMs ? b : a));
  const own = runs.find(({ threads }) => threads === ownThreads) ?? fastest;
  const isWorth = requestMs(fastest.runMs, memoryMb) < WORTH * requestMs(own.runMs, memoryMb);
  const chosen = isWorth ? fastest : own;
  return [chosen.threads, chosen.runMs];
}

function prepackingFor(
  results: readonly Result[],
  loadings: readonly Loading[],
  ownPrepacking: boolean,
): Recommendation['prepacking'] {
  const of = (prepacking: boolean) => ({
    loading: loadings.find((found) => found.threads === 1 && found.prepacking === prepacking) as Loading,
    runMs: results.find((found) => {
      return found.prepacking === prepacking && found.memoryMb === undefined && found.rows === 1;
    })?.runMs as number,
  });
  const [on, off] = [of(true), of(false)];
  const isQuicker = !ownPrepacking || off.loading.sessionMs < QUICKER_LOAD * on.loading.sessionMs;
  const choice = isQuicker && off.runMs <= SAME_RUN * on.runMs ? 'off' : 'on';
  const saved = on.loading.sessionMs - off.loading.sessionMs;
  const evenAfter = off.runMs > on.runMs ? Math.max(0, saved) / (off.runMs - on.runMs) : Number.POSITIVE_INFINITY;
  return { on: on.loading, off: off.loading, choice, isOwn: ownPrepacking === (choice === 'on'), evenAfter };
}

function rowsFor(results: readonly Result[]): number {
  const [first, ...more] = results
    .filter(({ memoryMb, prepacking }) => memoryMb === undefined && prepacking)
    .sort((a, b) => a.rows - b.rows);
  let best = first as Result;
  for (const next of more) if (next.runMs / next.rows < CHEAPER_ROW * (best.runMs / best.rows)) best = next;
  return best.rows;
}
