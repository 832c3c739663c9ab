import { ProtocolError } from '../protocol/errors.ts';
import type { InferRequest, InferResponse, ModelMetadata, ServerMetadata } from '../protocol/messages.ts';
import type { Telemetry, Timing } from './ports.ts';
import type { ModelRegistry, ServedModel } from './registry.ts';
import { batchRows, checkInputs, outputNames } from './signature.ts';

export type ServiceSettings = {
  readonly name: string;
  readonly version: string;
  /** Milliseconds from the decoded request to the latest moment of its answer. */
  readonly requestTimeoutMs: number;
};

/** The verbs of the Open Inference Protocol, knowing nothing of how requests arrive. */
export class InferenceService {
  readonly #registry: ModelRegistry;
  readonly #telemetry: Telemetry;
  readonly #settings: ServiceSettings;
  #started = false;

  constructor(registry: ModelRegistry, telemetry: Telemetry, settings: ServiceSettings) {
    this.#registry = registry;
    this.#telemetry = telemetry;
    this.#settings = settings;
  }

  /** Loads every model of the repository once; one that fails does not stop the others. Returns the loaded ones. */
  async start(): Promise<ServedModel[]> {
    const names = await this.#registry.models();
    await Promise.allSettled(names.map((name) => this.#registry.get(name)));
    this.#started = true;
    return this.#registry.served();
  }

  /** Ready: started, and at least one model serves. A broken model does not take the others down with it. */
  ready(): boolean {
    return this.#started && this.#registry.served().length > 0;
  }

  serverMetadata(): ServerMetadata {
    return { name: this.#settings.name, version: this.#settings.version, extensions: [] };
  }

  /** @throws UnknownModel, or Unavailable when the model is not ready */
  async modelReady(model: string, version?: string): Promise<void> {
    await this.#registry.get(model, version);
  }

  async modelMetadata(model: string, version?: string): Promise<ModelMetadata> {
    const served = await this.#registry.get(model, version);
    const ready = this.#registry.served().filter((other) => other.model === model);
    return {
      name: model,
      versions: version === undefined ? ready.map((other) => other.version).sort(byNumber) : [version],
      platform: 'onnxruntime_onnx',
      inputs: served.loaded.inputs,
      outputs: served.loaded.outputs,
    };
  }

  /** @throws ProtocolError for everything that a client may be told */
  async infer(request: InferRequest, model: string, version?: string): Promise<InferResponse> {
    const started = performance.now();
    const served = await this.#registry.get(model, version);
    const { loaded } = served;
    const rows = batchRows(loaded, request.inputs);
    const record = (outcome: string, timing?: Timing): void => {
      const total = performance.now() - started;
      this.#telemetry.inference({ model, version: served.version, outcome, rows, total, timing });
    };
    try {
      checkInputs(model, loaded, request.inputs);
      const names = outputNames(model, loaded, request.outputs);
      const { outputs, timing } = await loaded.run(request.inputs, names, started + this.#settings.requestTimeoutMs);
      record('success', timing);
      return { id: request.id, modelName: model, modelVersion: served.version, outputs };
    } catch (error) {
      record(error instanceof ProtocolError ? error.reason : 'OTHER');
      throw error;
    }
  }
}

function byNumber(a: string, b: string): number {
  return Number(a) - Number(b);
}
