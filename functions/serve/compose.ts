import packageJson from '../../package.json' with { type: 'json' };
import { TemporaryOverrides } from '../adapters/load-override.ts';
import { Catalogue } from '../inference/catalogue.ts';
import { LoadedVersions } from '../inference/loaded-versions.ts';
import { ModelFiles } from '../inference/model-files.ts';
import { ModelLoader } from '../inference/model-loader.ts';
import type { EndCanary, Engine, Log, ModelStore, Telemetry } from '../inference/ports.ts';
import { ModelRegistry } from '../inference/registry.ts';
import { InferenceService } from '../inference/service.ts';

export type ServiceParts = {
  readonly store: ModelStore;
  readonly engine: Engine;
  readonly telemetry: Telemetry;
  readonly log: Log;
  readonly endCanary: EndCanary;
};

/** What the composition roots decide; the settings of the parts explain each. */
export type ServiceChoices = {
  readonly serverName: string;
  readonly staleMs: number;
  readonly explicit: boolean;
  readonly swapPatienceMs: number;
  /** Models that are never unloaded to make room for others. */
  readonly preloadModels: readonly string[];
  readonly modelMemory: number;
  readonly requestTimeoutMs: number;
  readonly defaultMaxBatchSize: number;
  readonly maxBatcherQueue: number;
};

/** How long a request waits for a look at a model that is known, in milliseconds. */
const PATIENCE_MS = 500;

/** The inside, wired but not started: the same for the local server and for the Lambda function. */
export function composeService(
  { store, engine, telemetry, log, endCanary }: ServiceParts,
  choices: ServiceChoices,
): { registry: ModelRegistry; service: InferenceService; files: ModelFiles } {
  const loader = new ModelLoader(engine, log, choices);
  const { explicit, preloadModels, modelMemory, staleMs, swapPatienceMs } = choices;
  const catalogue = new Catalogue(store, telemetry, log, { staleMs, patienceMs: PATIENCE_MS });
  const keepLoaded = (model: string): boolean => explicit || preloadModels.includes(model);
  const loaded = new LoadedVersions(loader, telemetry, log, { modelMemory, keepLoaded });
  const registry = new ModelRegistry(catalogue, loaded, telemetry, log, { explicit, swapPatienceMs, endCanary });
  const service = new InferenceService(registry, telemetry, new TemporaryOverrides(), {
    name: choices.serverName,
    version: packageJson.version,
    requestTimeoutMs: choices.requestTimeoutMs,
  });
  return { registry, service, files: new ModelFiles(registry) };
}
