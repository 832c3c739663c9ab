import packageJson from '../../package.json' with { type: 'json' };
import { TemporaryOverrides } from '../adapters/load-override.ts';
import { ModelLoader } from '../inference/model-loader.ts';
import type { Engine, Log, ModelStore, Telemetry } from '../inference/ports.ts';
import { ModelRegistry } from '../inference/registry.ts';
import { InferenceService } from '../inference/service.ts';

export type ServiceParts = {
  readonly store: ModelStore;
  readonly engine: Engine;
  readonly telemetry: Telemetry;
  readonly log: Log;
};

/** What the composition roots decide; the settings of the parts explain each. */
export type ServiceChoices = {
  readonly serverName: string;
  readonly refreshMs: number;
  readonly explicit: boolean;
  readonly requestTimeoutMs: number;
  readonly defaultMaxBatchSize: number;
  readonly maxBatcherQueue: number;
};

/** The inside, wired but not started: the same for the local server and for the Lambda function. */
export function composeService(
  { store, engine, telemetry, log }: ServiceParts,
  choices: ServiceChoices,
): { registry: ModelRegistry; service: InferenceService } {
  const loader = new ModelLoader(engine, log, choices);
  const registry = new ModelRegistry(store, loader, telemetry, log, choices);
  const service = new InferenceService(registry, telemetry, new TemporaryOverrides(), {
    name: choices.serverName,
    version: packageJson.version,
    requestTimeoutMs: choices.requestTimeoutMs,
  });
  return { registry, service };
}
