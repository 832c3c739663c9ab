import { freemem, totalmem } from 'node:os';
import {
  AggregatorRegistry,
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  type MetricObject,
  Registry,
} from 'prom-client';
import type { CompiledUnused, InferenceRecord, LoadTiming, ModelId, Telemetry } from '../inference/ports.ts';

/** What one process has counted, for the others. */
export type Snapshot = MetricObject[];

/** Of one version's successful requests. */
type Sums = { readonly labels: ModelId } & { -readonly [field in keyof typeof SUMS]: number };

/** Counters of which each request adds to all, with the fields of what is added up. */
const SUMS = {
  success: ['nv_inference_request_success', 'Number of successful inference requests'],
  rows: ['nv_inference_count', 'Number of inferences performed: rows, not requests'],
  executions: ['nv_inference_exec_count', 'Number of model executions performed'],
  total: ['nv_inference_request_duration_us', 'Cumulative request duration in microseconds'],
  queue: ['nv_inference_queue_duration_us', 'Cumulative queuing duration in microseconds'],
  input: ['nv_inference_compute_input_duration_us', 'Cumulative duration of handing over inputs in microseconds'],
  infer: ['nv_inference_compute_infer_duration_us', 'Cumulative duration of model execution in microseconds'],
  output: ['nv_inference_compute_output_duration_us', 'Cumulative duration of handing over outputs in microseconds'],
} as const;

export type PendingRequests = { readonly model: string; readonly version: string; readonly pending: number };

const LABELS = ['model', 'version'] as const;
/** Milliseconds: from what a small model takes to the default deadline. */
const BUCKETS = [0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 30_000];

/**
 * Metrics in Prometheus' text format under Triton's names, so that dashboards made for Triton work:
 * https://github.com/triton-inference-server/server/blob/main/docs/user_guide/metrics.md
 */
export class PrometheusTelemetry implements Telemetry {
  readonly #registry = new Registry();
  readonly #sums = new Map<string, Sums>();
  readonly #failure = new Counter({
    name: 'nv_inference_request_failure',
    help: 'Number of failed inference requests',
    labelNames: [...LABELS, 'reason'],
    registers: [this.#registry],
  });
  readonly #latency = new Histogram({
    name: 'serverless_onnx_request_duration_ms',
    help: 'Duration of successful inference requests in milliseconds',
    labelNames: LABELS,
    buckets: BUCKETS,
    registers: [this.#registry],
  });

  readonly #loadSeconds = new Gauge({
    name: 'nv_model_load_duration_secs',
    help: 'Seconds that the last load of a model took',
    aggregator: 'max',
    labelNames: LABELS,
    registers: [this.#registry],
  });
  readonly #loadFailures = new Counter({
    name: 'serverless_onnx_model_load_failures_total',
    help: 'Number of failed attempts to load a model',
    labelNames: ['model'],
    registers: [this.#registry],
  });

  readonly #compiledUnused = new Counter({
    name: 'serverless_onnx_compiled_unused_total',
    help: "Number of loads of a version's plain file, as its compiled one could not be used",
    labelNames: ['model', 'reason'],
    registers: [this.#registry],
  });

  readonly #stale = new Counter({
    name: 'serverless_onnx_stale_served_total',
    help: 'Number of times that what was good before was served, as the model repository or a version was not',
    labelNames: ['model'],
    registers: [this.#registry],
  });

  readonly #canariesEnded = new Counter({
    name: 'serverless_onnx_canary_ended_total',
    help: 'Number of canaries that were ended as they were worse than the live version',
    labelNames: ['model'],
    registers: [this.#registry],
  });

  /** @param pending tells, when asked, how many requests wait at each loaded model */
  constructor(pending: () => readonly PendingRequests[]) {
    const registers = [this.#registry];
    const sums = this.#sums;
    for (const [field, [name, help]] of Object.entries(SUMS)) {
      new Counter({
        name,
        help,
        labelNames: LABELS,
        registers,
        collect() {
          this.reset();
          for (const of of sums.values()) this.inc(of.labels, of[field as keyof typeof SUMS]);
        },
      });
    }
    new Gauge({
      name: 'nv_inference_pending_request_count',
      help: 'Number of requests that wait for execution',
      labelNames: LABELS,
      registers,
      collect() {
        this.reset();
        for (const { model, version, pending: value } of pending()) this.set({ model, version }, value);
      },
    });
    new Gauge({
      name: 'nv_cpu_memory_total_bytes',
      help: 'CPU memory in bytes',
      aggregator: 'first',
      registers,
      collect() {
        this.set(totalmem());
      },
    });
    new Gauge({
      name: 'nv_cpu_memory_used_bytes',
      help: 'Used CPU memory in bytes',
      aggregator: 'first',
      registers,
      collect() {
        this.set(totalmem() - freemem());
      },
    });
    collectDefaultMetrics({ register: this.#registry });
  }

  inference({ model, version, outcome, rows, executedRows, total, timing }: InferenceRecord): void {
    const labels = { model, version };
    if (timing === undefined) {
      this.#failure.inc({ ...labels, reason: outcome });
      return;
    }
    this.#latency.observe(labels, total);
    const sums = this.#sumsOf(labels);
    sums.success++;
    sums.rows += rows;
    if (executedRows > 0 || rows === 0) sums.executions++;
    sums.total += microseconds(total);
    sums.queue += microseconds(timing.queue);
    sums.input += microseconds(timing.input);
    sums.infer += microseconds(timing.infer);
    sums.output += microseconds(timing.output);
  }

  loaded({ model, version }: ModelId, { download, session }: LoadTiming): void {
    this.#loadSeconds.set({ model, version }, (download + session) / 1000);
  }

  loadFailed(model: string): void {
    this.#loadFailures.inc({ model });
  }

  compiledUnused(model: string, reason: CompiledUnused): void {
    this.#compiledUnused.inc({ model, reason });
  }

  staleServed(model: string): void {
    this.#stale.inc({ model });
  }

  canaryEnded(model: string): void {
    this.#canariesEnded.inc({ model });
  }

  snapshot(): Promise<Snapshot> {
    return this.#registry.getMetricsAsJSON();
  }

  /** Of all processes together, this one among them. */
  async exposition(all: readonly Snapshot[]): Promise<{ contentType: string; text: string }> {
    const whole = all.length === 1 ? this.#registry : AggregatorRegistry.aggregate([...all]);
    return { contentType: whole.contentType, text: await whole.metrics() };
  }

  /** Numbers that are added up here and become counters when they are asked for: eight counters cost a request 5 µs. */
  #sumsOf(labels: ModelId): Sums {
    const key = `${labels.model}/${labels.version}`;
    const known = this.#sums.get(key);
    if (known !== undefined) return known;
    const fresh = { labels, success: 0, rows: 0, executions: 0, total: 0, queue: 0, input: 0, infer: 0, output: 0 };
    this.#sums.set(key, fresh);
    return fresh;
  }
}

function microseconds(milliseconds: number): number {
  return Math.round(milliseconds * 1000);
}
