import { Overloaded, ProtocolError, Unavailable } from '../protocol/errors.ts';
import { readExplainOptions } from '../protocol/explain-options.ts';
import type { LoadRequest } from '../protocol/load-request.ts';
import type {
  InferRequest,
  InferResponse,
  ModelMetadata,
  ServerMetadata,
  TensorMetadata,
} from '../protocol/messages.ts';
import type { ModelConfig } from '../protocol/model-config.ts';
import { checkModelName } from '../protocol/names.ts';
import { decodeRawRequest } from '../protocol/raw-request.ts';
import type { Tensor } from '../protocol/tensor.ts';
import { classesWanted, classify } from './classification.ts';
import { hasNonFinite } from './closeness.ts';
import type { RunModel } from './explain/evaluations.ts';
import type { ModelState } from './loaded-versions.ts';
import type { ServedModel } from './model-loader.ts';
import type { Computed, InferenceRecord, OverrideReader, Telemetry } from './ports.ts';
import type { ModelRegistry, Use } from './registry.ts';
import { batchRows, checkInputs, outputNames, toClientShapes, toModelShapes } from './signature.ts';
import { type ModelStatistics, Statistics } from './statistics.ts';

export type IndexEntry = { readonly name: string } & Partial<Omit<ModelState, 'model'>>;

/** Triton's name for what a model takes up; here its files, which is what its weights take in memory. */
type MemoryUsage = { readonly type: 'CPU'; readonly id: 0; readonly byte_size: number };

/** The reason of a request that found too many others waiting. */
const OVERLOADED = new Overloaded('').reason;

/** Explanations that are computed at once: each holds some copies of its input. */
const MAX_EXPLANATIONS = 4;

/** The protocol's extensions that this server has. */
const EXTENSIONS = [
  'binary_tensor_data',
  'classification',
  'explain',
  'model_configuration',
  'model_repository',
  'parameters',
  'statistics',
];

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
  readonly #overrides: OverrideReader;
  readonly #settings: ServiceSettings;
  readonly #statistics = new Statistics();
  #started = false;
  #explaining = 0;

  constructor(registry: ModelRegistry, telemetry: Telemetry, overrides: OverrideReader, settings: ServiceSettings) {
    this.#registry = registry;
    this.#telemetry = telemetry;
    this.#overrides = overrides;
    this.#settings = settings;
  }

  /**
   * Loads models before the first request asks for them; one that fails does not stop the others.
   * @param models by default those of the repository while there is room, or in explicit mode none
   * @param patience when it ends, the service counts as started; what still loads then goes on
   */
  async start(models?: readonly string[], patience?: Promise<void>): Promise<void> {
    const loading = models === undefined ? this.#registry.fill() : this.#registry.preload(models);
    await Promise.race(patience === undefined ? [loading] : [loading, patience]);
    this.#started = true;
  }

  /**
   * Ready: started, and at least one model serves (in explicit mode none needs to). A broken model does not take the
   * others down with it.
   */
  async ready(): Promise<boolean> {
    if (!this.#started) return false;
    if (this.#registry.isExplicit || this.#registry.served().length > 0) return true;
    // None was loaded so far: perhaps none was to be, or one came since.
    for (const name of await this.#registry.models()) {
      if (await this.#registry.get(name).catch(() => undefined)) return true;
    }
    return false;
  }

  /** @throws Unavailable unless the server is in explicit mode, or when the model does not load; UnknownModel */
  async load(model: string, request: LoadRequest): Promise<void> {
    this.#checkExplicit();
    checkModelName(model);
    await this.#registry.load(model, await this.#overrides.read(model, request));
  }

  /** @throws Unavailable unless the server is in explicit mode */
  async unload(model: string): Promise<void> {
    this.#checkExplicit();
    await this.#registry.unload(model);
  }

  /** The model, for those who only want to know something. */
  async #loaded(model: string, version?: string): Promise<ServedModel> {
    const using = this.#registry.use(model, version);
    const { served, end } = await within(this.#settings.requestTimeoutMs, model, using);
    end();
    return served;
  }

  #checkExplicit(): void {
    if (this.#registry.isExplicit) return;
    throw new Unavailable('explicit model load / unload is not allowed: every model of the repository is served');
  }

  serverMetadata(): ServerMetadata {
    return { name: this.#settings.name, version: this.#settings.version, extensions: EXTENSIONS };
  }

  /** @throws UnknownModel, or Unavailable when the model is not ready */
  async modelReady(model: string, version?: string): Promise<void> {
    await this.#loaded(model, version);
  }

  async modelMetadata(model: string, version?: string): Promise<ModelMetadata> {
    const { serving } = await this.#loaded(model, version);
    const ready = this.#registry.served().filter((other) => other.model === model);
    const describe = ({ name, datatype, shape }: TensorMetadata): TensorMetadata => ({ name, datatype, shape });
    return {
      name: model,
      versions: version === undefined ? ready.map((other) => other.version).sort(byNumber) : [version],
      platform: 'onnxruntime_onnx',
      inputs: serving.inputs.map(describe),
      outputs: serving.outputs.map(describe),
    };
  }

  /** The names of all models of the repository. */
  models(): Promise<readonly string[]> {
    return this.#registry.models();
  }

  /** Triton's repository index: every model, with the state of its versions where one was loaded or tried. */
  async repositoryIndex(readyOnly: boolean): Promise<IndexEntry[]> {
    const states = this.#registry.states();
    const names = await this.#registry.models();
    const entries = names.flatMap((name): IndexEntry[] => {
      const known = states.filter(({ model }) => model === name);
      return known.length === 0 ? [{ name }] : known.map(({ model: _, ...state }) => ({ name, ...state }));
    });
    return readyOnly ? entries.filter(({ state }) => state === 'READY') : entries;
  }

  /** What this process has counted for one version, for the loaded versions of one model, or for all. */
  async statistics(model?: string, version?: string): Promise<(ModelStatistics & { memory_usage: MemoryUsage[] })[]> {
    if (model !== undefined) await this.#loaded(model, version);
    return this.#registry
      .served()
      .filter((served) => model === undefined || served.model === model)
      .filter((served) => version === undefined || served.version === version)
      .map((served) => ({ ...this.#statistics.of(served), memory_usage: [memoryOf(served)] }));
  }

  /** A request whose body is nothing but the bytes of the model's one input. */
  async rawRequest(body: Uint8Array<ArrayBuffer>, model: string, version?: string): Promise<InferRequest> {
    const { serving } = await this.#loaded(model, version);
    return decodeRawRequest(body, model, serving.inputs, serving.maxBatchSize > 0);
  }

  /** The model's configuration, completed. */
  async modelConfig(model: string, version?: string): Promise<ModelConfig> {
    const { serving } = await this.#loaded(model, version);
    return serving.config;
  }

  /**
   * @param caller who gets the same version of a model again while a canary is tried; by default the request's id says it
   * @throws ProtocolError for everything that a client may be told
   */
  async infer(request: InferRequest, model: string, version?: string, caller?: string): Promise<InferResponse> {
    const started = performance.now();
    const timeout = this.#timeout(request);
    const use =
      this.#registry.useReady(model, version) ??
      (await within(timeout, model, this.#registry.use(model, version, caller ?? request.id)));
    const { served, end, trial } = use;
    const { serving, loaded } = served;
    const rows = batchRows(serving, request.inputs);
    let isRunning = false;
    const record = (outcome: string, computed?: Computed): void => {
      const nonFinite = trial !== undefined && computed?.outputs.some(hasNonFinite) === true;
      // What is wrong with the request itself, or that there are too many, says nothing of the model.
      const failed = isRunning && computed === undefined && outcome !== OVERLOADED;
      const total = performance.now() - started;
      const executedRows = computed?.mergedRows ?? rows;
      const timing = computed?.timing;
      const payloadBytes = request.byteLength;
      this.#count({ model, version: served.version, outcome, rows, executedRows, total, timing, payloadBytes });
      this.#registry.observe(use, { failed, nonFinite, inferMs: timing?.infer });
    };
    try {
      checkInputs(model, serving, request.inputs);
      const names = outputNames(model, serving, request.outputs);
      const inputs = toModelShapes(serving.inputs, request.inputs);
      isRunning = true;
      const computed = await loaded.run(inputs, names, started + timeout);
      const outputs = classified(request, served, toClientShapes(serving.outputs, computed.outputs));
      record('success', computed);
      const { queue, input, infer, output } = computed.timing;
      const timing = { queue, compute: input + infer + output, total: performance.now() - started };
      return { id: request.id, modelName: model, modelVersion: served.version, outputs, timing };
    } catch (error) {
      record(error instanceof ProtocolError ? error.reason : 'OTHER');
      throw error;
    } finally {
      end();
    }
  }

  /**
   * Why this answer? The request's parameters say how it is to be explained.
   *
   * Each run of the model is counted as if a client had sent it. A canary is not judged by them: they are no requests that
   * anybody made.
   * @throws ProtocolError
   */
  async explain(request: InferRequest, model: string, version?: string, caller?: string): Promise<InferResponse> {
    const started = performance.now();
    const options = readExplainOptions(request.parameters);
    if (this.#explaining >= MAX_EXPLANATIONS) {
      throw new Overloaded(`${MAX_EXPLANATIONS} explanations are under way; try again later`, 1);
    }
    this.#explaining++;
    try {
      // Few servers are asked for one, and its parts are a tenth of what a start would read.
      const { explain } = await import('./explain/explanation.ts');
      const timeout = this.#timeout(request);
      const use = await within(timeout, model, this.#registry.use(model, version, caller ?? request.id));
      try {
        checkInputs(model, use.served.serving, request.inputs);
        const deadline = started + timeout;
        const run = this.#countedRuns(use.served, request, deadline);
        const { attributions, parameters } = await explain(use.served, request, options, run, deadline);
        return {
          id: request.id,
          modelName: model,
          modelVersion: use.served.version,
          parameters,
          outputs: attributions,
        };
      } finally {
        use.end();
      }
    } finally {
      this.#explaining--;
    }
  }

  /** Runs of a model for an output, each counted as a request; the first of them is the one whose body was received. */
  #countedRuns(
    { model, version, serving, loaded }: ServedModel,
    { byteLength }: InferRequest,
    deadline: number,
  ): (output: string) => RunModel {
    let payloadBytes = byteLength;
    return (output) => async (inputs) => {
      const started = performance.now();
      const rows = batchRows(serving, inputs);
      const count = (outcome: string, computed?: Computed): void => {
        const total = performance.now() - started;
        const executedRows = computed?.mergedRows ?? rows;
        const timing = computed?.timing;
        this.#count({ model, version, outcome, rows, executedRows, total, timing, payloadBytes });
        payloadBytes = 0;
      };
      try {
        const computed = await loaded.run(toModelShapes(serving.inputs, inputs), [output], deadline);
        count('success', computed);
        return toClientShapes(serving.outputs, computed.outputs)[0] as Tensor;
      } catch (error) {
        count(error instanceof ProtocolError ? error.reason : 'OTHER');
        throw error;
      }
    };
  }

  #count(entry: InferenceRecord): void {
    this.#statistics.add(entry);
    this.#telemetry.inference(entry);
  }

  /** Milliseconds; a request may ask for less than the server gives, in microseconds, as Triton has it. */
  #timeout({ parameters: { timeout } }: InferRequest): number {
    const { requestTimeoutMs } = this.#settings;
    return typeof timeout === 'number' && timeout > 0 ? Math.min(requestTimeoutMs, timeout / 1000) : requestTimeoutMs;
  }
}

/** A model that is still on its way to this machine then goes on, for those who ask later. */
async function within(ms: number, model: string, using: Promise<Use>): Promise<Use> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    using.then(({ end }) => end()).catch(() => {});
    late.reject(new Unavailable(`'${model}' is still being loaded; try again later`, 1));
  }, ms);
  try {
    return await Promise.race([using, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** The outputs, those that the request wants classified as their top classes. */
function classified(
  request: InferRequest,
  { serving, labels }: ServedModel,
  outputs: readonly Tensor[],
): readonly Tensor[] {
  return outputs.map((tensor) => {
    const requested = request.outputs?.find(({ name }) => name === tensor.name);
    const count = requested && classesWanted(requested);
    return count === undefined ? tensor : classify(tensor, count, serving.maxBatchSize > 0, labels.get(tensor.name));
  });
}

function memoryOf({ bytes }: ServedModel): MemoryUsage {
  return { type: 'CPU', id: 0, byte_size: bytes };
}

function byNumber(a: string, b: string): number {
  return Number(a) - Number(b);
}
