import type { CompiledUnused, InferenceRecord, LoadTiming, ModelId, Telemetry } from '../inference/ports.ts';

type Metrics = { readonly [name: string]: readonly [value: number, unit: 'Count' | 'Milliseconds' | 'Bytes'] };
type Dimensions = { readonly [name: string]: string };

/**
 * CloudWatch metrics in the embedded metric format: JSON lines on standard output, which Lambda's log turns into metrics
 * without a call to any service. docs/deployment.md lists them.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
 */
export class EmbeddedMetrics implements Telemetry {
  readonly #namespace: string;
  readonly #write: (line: string) => void;
  /** Versions that were loaded and have not run yet. */
  readonly #fresh = new Set<string>();

  constructor(namespace: string, write: (line: string) => void) {
    this.#namespace = namespace;
    this.#write = write;
  }

  inference({ model, version, outcome, total, timing, payloadBytes }: InferenceRecord): void {
    this.#put({ model, version, outcome }, [['model', 'version', 'outcome']], {
      Requests: [1, 'Count'],
      RequestDuration: [total, 'Milliseconds'],
      PayloadBytes: [payloadBytes, 'Bytes'],
    });
    if (timing !== undefined && this.#fresh.delete(key({ model, version }))) {
      this.#put({ model }, [['model'], []], { ColdStartFirstRun: [timing.infer, 'Milliseconds'] });
    }
  }

  loaded({ model, version }: ModelId, { download, session }: LoadTiming): void {
    this.#fresh.add(key({ model, version }));
    this.#put({ model }, [['model'], []], {
      ColdStartDownload: [download, 'Milliseconds'],
      ColdStartSession: [session, 'Milliseconds'],
    });
  }

  loadFailed(model: string): void {
    this.#put({ model }, [['model'], []], { ModelLoadFailure: [1, 'Count'] });
  }

  compiledUnused(model: string, reason: CompiledUnused): void {
    this.#put({ model, reason }, [['model', 'reason']], { CompiledModelUnused: [1, 'Count'] });
  }

  staleServed(model: string): void {
    this.#put({ model }, [['model'], []], { StaleModelServed: [1, 'Count'] });
  }

  canaryEnded(model: string): void {
    this.#put({ model, variant: 'canary' }, [['model', 'variant']], { CanaryEnded: [1, 'Count'] });
  }

  /** @param ms from the start of the process to the end of INIT */
  initialized(ms: number): void {
    this.#put({}, [[]], { ColdStartInit: [ms, 'Milliseconds'] });
  }

  /** @param sets the combinations of dimensions that a metric of their own is kept for; an empty one: of everything */
  #put(dimensions: Dimensions, sets: readonly (readonly string[])[], metrics: Metrics): void {
    const definitions = Object.entries(metrics).map(([Name, [, Unit]]) => ({ Name, Unit }));
    const values = Object.entries(metrics).map(([name, [value]]) => [name, Math.round(value * 1000) / 1000]);
    const line = {
      _aws: {
        Timestamp: Date.now(),
        CloudWatchMetrics: [{ Namespace: this.#namespace, Dimensions: sets, Metrics: definitions }],
      },
      ...dimensions,
      ...Object.fromEntries(values),
    };
    this.#write(`${JSON.stringify(line)}\n`);
  }
}

function key({ model, version }: ModelId): string {
  return `${model}/${version}`;
}
