import type { InferenceRecord, ModelId, Timing } from './ports.ts';

/** How often something happened and how long it took in all, in nanoseconds. */
type Duration = { count: number; ns: number };

/** Triton's statistics of one version, under its own field names. */
export type ModelStatistics = {
  readonly name: string;
  readonly version: string;
  /** Milliseconds since 1970 of the last request; 0 before the first. */
  last_inference: number;
  /** Rows. */
  inference_count: number;
  /** Runs of the model. */
  execution_count: number;
  readonly inference_stats: { readonly [part in Part]: Duration };
  readonly batch_stats: BatchStatistics[];
};

type Part =
  | 'success'
  | 'fail'
  | 'queue'
  | 'compute_input'
  | 'compute_infer'
  | 'compute_output'
  | 'cache_hit'
  | 'cache_miss';

const RUN_PARTS = ['compute_input', 'compute_infer', 'compute_output'] as const;

type BatchStatistics = {
  readonly batch_size: number;
  readonly compute_input: Duration;
  readonly compute_infer: Duration;
  readonly compute_output: Duration;
};

/** Counts what this process has computed, since it started. */
export class Statistics {
  readonly #models = new Map<string, ModelStatistics>();

  add(record: InferenceRecord): void {
    const of = this.of(record);
    of.last_inference = Date.now();
    const { timing, total, rows, executedRows } = record;
    if (timing === undefined) {
      count(of.inference_stats.fail, total);
      return;
    }
    of.inference_count += rows;
    count(of.inference_stats.success, total);
    count(of.inference_stats.queue, timing.queue);
    countRun(of.inference_stats, timing);
    if (executedRows === 0 && rows > 0) return;
    of.execution_count++;
    countRun(batch(of.batch_stats, executedRows), timing);
  }

  /** What was counted for one version; zeros for one that was not asked yet. */
  of({ model, version }: ModelId): ModelStatistics {
    const key = `${model}/${version}`;
    const known = this.#models.get(key);
    if (known !== undefined) return known;
    const fresh: ModelStatistics = {
      name: model,
      version,
      last_inference: 0,
      inference_count: 0,
      execution_count: 0,
      inference_stats: {
        success: zero(),
        fail: zero(),
        queue: zero(),
        compute_input: zero(),
        compute_infer: zero(),
        compute_output: zero(),
        cache_hit: zero(),
        cache_miss: zero(),
      },
      batch_stats: [],
    };
    this.#models.set(key, fresh);
    return fresh;
  }
}

const zero = (): Duration => ({ count: 0, ns: 0 });

function count(duration: Duration, milliseconds: number): void {
  duration.count++;
  duration.ns += Math.round(milliseconds * 1e6);
}

function countRun(parts: Pick<BatchStatistics, (typeof RUN_PARTS)[number]>, timing: Timing) {
  count(parts.compute_input, timing.input);
  count(parts.compute_infer, timing.infer);
  count(parts.compute_output, timing.output);
}

function batch(all: BatchStatistics[], rows: number): BatchStatistics {
  const known = all.find(({ batch_size }) => batch_size === rows);
  if (known !== undefined) return known;
  const fresh = { batch_size: rows, compute_input: zero(), compute_infer: zero(), compute_output: zero() };
  all.push(fresh);
  return fresh;
}

/** What several processes have counted, as if one had. */
export function summed<One extends ModelStatistics>(all: readonly (readonly One[])[]): One[] {
  const sums = new Map<string, One>();
  for (const one of all.flat()) {
    const key = `${one.name}/${one.version}`;
    const sum = sums.get(key);
    if (sum === undefined) sums.set(key, structuredClone(one));
    else addTo(sum, one);
  }
  return [...sums.values()];
}

function addTo(sum: ModelStatistics, one: ModelStatistics): void {
  sum.last_inference = Math.max(sum.last_inference, one.last_inference);
  sum.inference_count += one.inference_count;
  sum.execution_count += one.execution_count;
  for (const [part, duration] of Object.entries(one.inference_stats)) {
    addDuration(sum.inference_stats[part as Part], duration);
  }
  for (const { batch_size, ...parts } of one.batch_stats) {
    const runs = batch(sum.batch_stats, batch_size);
    for (const part of RUN_PARTS) addDuration(runs[part], parts[part]);
  }
}

function addDuration(sum: Duration, { count, ns }: Duration): void {
  sum.count += count;
  sum.ns += ns;
}
