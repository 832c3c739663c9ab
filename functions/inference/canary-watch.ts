export type Variant = 'live' | 'canary';

/** How an answer came out. */
export type Observation = {
  readonly failed: boolean;
  /** An output held NaN or an infinity. */
  readonly nonFinite: boolean;
  /** Milliseconds in the model; undefined for a failure. */
  readonly inferMs: number | undefined;
};

type Counts = { answers: number; failures: number; nonFinite: number; readonly inferMs: number[] };
type Trial = { readonly version: string; readonly live: Counts; readonly canary: Counts };

/** Fewer bad answers than this may be chance. */
const MIN_BAD = 5;
/** How much larger the canary's share of bad answers may be. */
const MAX_SHARE_ABOVE = 0.05;
/** Durations that are compared, of each: the latest ones. */
const DURATIONS = 100;
const MIN_DURATIONS = 50;
const MAX_DURATION_RATIO = 2;
/** A difference that nobody notices. */
const MIN_DIFFERENCE_MS = 1;

/** Compares what canaries answer with what the live versions answer meanwhile. */
export class CanaryWatch {
  readonly #trials = new Map<string, Trial>();

  /**
   * Takes note of an answer.
   * @param version the canary's
   * @returns a sentence when the canary is worse: that the trial is over
   */
  observe(model: string, version: string, variant: Variant, observation: Observation): string | undefined {
    const known = this.#trials.get(model);
    const trial = known?.version === version ? known : { version, live: nothing(), canary: nothing() };
    this.#trials.set(model, trial);
    add(trial[variant], observation);
    return variant === 'canary' ? verdict(trial) : undefined;
  }
}

function nothing(): Counts {
  return { answers: 0, failures: 0, nonFinite: 0, inferMs: [] };
}

function add(counts: Counts, { failed, nonFinite, inferMs }: Observation): void {
  counts.answers++;
  if (failed) counts.failures++;
  if (nonFinite) counts.nonFinite++;
  if (inferMs !== undefined) counts.inferMs.push(inferMs);
  if (counts.inferMs.length > DURATIONS) counts.inferMs.shift();
}

function verdict({ version, live, canary }: Trial): string | undefined {
  for (const [name, what] of [
    ['failures', 'fails'],
    ['nonFinite', 'answers with numbers that are not finite'],
  ] as const) {
    const [tried, usual] = [canary[name] / canary.answers, live.answers === 0 ? 0 : live[name] / live.answers];
    if (canary[name] >= MIN_BAD && tried > usual + MAX_SHARE_ABOVE) {
      return `version ${version} ${what} in ${percent(tried)} of ${canary.answers} requests; the live version in ${percent(usual)}`;
    }
  }
  if (Math.min(live.inferMs.length, canary.inferMs.length) < MIN_DURATIONS) return undefined;
  const [tried, usual] = [median(canary.inferMs), median(live.inferMs)];
  if (tried <= usual * MAX_DURATION_RATIO || tried - usual < MIN_DIFFERENCE_MS) return undefined;
  return `version ${version} takes ${tried.toFixed(1)} ms; the live version takes ${usual.toFixed(1)} ms`;
}

function percent(share: number): string {
  return `${Math.round(share * 1000) / 10} %`;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
