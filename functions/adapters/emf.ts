import type { CompiledUnused, InferenceRecord, LoadTiming, ModelId, Telemetry } from '../inference/ports.ts';

/** Metrics that come together, as every line describes them. */
type Group = {
  /** The combinations of dimensions that a metric of their own is kept for; an empty one: of everything. */
  readonly Dimensions: readonly (readonly string[])[];
  readonly Metrics: readonly { readonly Name: string; readonly Unit: 'Count' | 'Milliseconds' | 'Bytes' }[];
};

const group = (
  Dimensions: Group['Dimensions'],
  units: { readonly [name: string]: 'Count' | 'Milliseconds' | 'Bytes' },
) => ({
  Dimensions,
  Metrics: Object.entries(units).map(([Name, Unit]) => ({ Name, Unit })),
});

const REQUEST = group([['model', 'version', 'outcome']], {
  Requests: 'Count',
  RequestDuration: 'Milliseconds',
  PayloadBytes: 'Bytes',
});
const FIRST_RUN = group([['model'], []], { ColdStartFirstRun: 'Milliseconds' });
const LOADED = group([['model'], []], { ColdStartDownload: 'Milliseconds', ColdStartSession: 'Milliseconds' });
const LOAD_FAILED = group([['model'], []], { ModelLoadFailure: 'Count' });
const COMPILED_UNUSED = group([['model', 'reason']], { CompiledModelUnused: 'Count' });
const STALE_SERVED = group([['model'], []], { StaleModelServed: 'Count' });
const CANARY_ENDED = group([['model', 'variant']], { CanaryEnded: 'Count' });
const INITIALIZED = group([[]], { ColdStartInit: 'Milliseconds' });

/**
 * CloudWatch metrics in the embedded metric format: JSON lines on standard output, which Lambda's log turns into metrics
 * without a call to any service. docs/deployment.md lists them.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
 */
export class EmbeddedMetrics implements Telemetry {
  readonly #namespace: string;
  readonly #write: (line: string) => void;
  /** The descriptions as JSON, each made once: that takes longer than the rest of a line, and each request has one. */
  readonly #described = new Map<Group, string>();
  /** Versions that were loaded and have not run yet. */
  readonly #fresh = new Set<string>();

  constructor(namespace: string, write: (line: string) => void) {
    this.#namespace = namespace;
    this.#write = write;
  }

  inference({ model, version, outcome, total, timing, payloadBytes }: InferenceRecord): void {
    const RequestDuration = rounded(total);
    this.#put(REQUEST, { model, version, outcome, Requests: 1, RequestDuration, PayloadBytes: payloadBytes });
    if (timing !== undefined && this.#fresh.size > 0 && this.#fresh.delete(key({ model, version }))) {
      this.#put(FIRST_RUN, { model, ColdStartFirstRun: rounded(timing.infer) });
    }
  }

  loaded({ model, version }: ModelId, { download, session }: LoadTiming): void {
    this.#fresh.add(key({ model, version }));
    this.#put(LOADED, { model, ColdStartDownload: rounded(download), ColdStartSession: rounded(session) });
  }

  loadFailed(model: string): void {
    this.#put(LOAD_FAILED, { model, ModelLoadFailure: 1 });
  }

  compiledUnused(model: string, reason: CompiledUnused): void {
    this.#put(COMPILED_UNUSED, { model, reason, CompiledModelUnused: 1 });
  }

  staleServed(model: string): void {
    this.#put(STALE_SERVED, { model, StaleModelServed: 1 });
  }

  canaryEnded(model: string): void {
    this.#put(CANARY_ENDED, { model, variant: 'canary', CanaryEnded: 1 });
  }

  /** @param ms from the start of the process to the end of INIT */
  initialized(ms: number): void {
    this.#put(INITIALIZED, { ColdStartInit: rounded(ms) });
  }

  /** @param fields the group's dimensions and metrics */
  #put(group: Group, fields: { readonly [name: string]: string | number }): void {
    let described = this.#described.get(group);
    if (described === undefined) {
      described = JSON.stringify([{ Namespace: this.#namespace, ...group }]);
      this.#described.set(group, described);
    }
    const rest = JSON.stringify(fields).slice(1);
    this.#write(`{"_aws":{"Timestamp":${Date.now()},"CloudWatchMetrics":${described}},${rest}\n`);
  }
}

/** Milliseconds, to the microsecond. */
function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

function key({ model, version }: ModelId): string {
  return `${model}/${version}`;
}
