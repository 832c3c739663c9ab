import { availableParallelism } from 'node:os';
import { IsolatedEngine } from '../adapters/isolated-engine.ts';
import { LanedEngine } from '../adapters/laned-engine.ts';
import { PrometheusTelemetry } from '../adapters/prometheus.ts';
import { swaggerUi } from '../adapters/swagger-ui.ts';
import { createApp } from '../http/app.ts';
import type { Engine, Log, ModelStore } from '../inference/ports.ts';
import type { ModelRegistry } from '../inference/registry.ts';
import type { InferenceService } from '../inference/service.ts';
import { composeService } from './compose.ts';
import { isLoopback, type LocalSettings } from './local-env.ts';

export type LocalService = {
  readonly app: ReturnType<typeof createApp>;
  readonly engine: Engine;
  readonly registry: ModelRegistry;
  readonly service: InferenceService;
};

/** What is found of a model on disk is taken for current for so long. */
const REFRESH_MS = 2_000;

/** All parts of the service on one machine, wired but not started. */
export function composeLocalService(settings: LocalSettings, store: ModelStore, log: Log): LocalService {
  const engine = new LanedEngine(new IsolatedEngine({ ...settings, processes: availableParallelism() }, log));
  const telemetry = new PrometheusTelemetry(() =>
    registry.served().map(({ model, version, loaded }) => ({ model, version, pending: loaded.pending })),
  );
  const { registry, service } = composeService(
    { store, engine, telemetry, log },
    {
      ...settings,
      explicit: settings.modelControl === 'explicit',
      refreshMs: REFRESH_MS,
      maxBatcherQueue: settings.maxQueue,
    },
  );
  const app = createApp({
    service,
    log,
    access: { loopbackOnly: isLoopback(settings.host), token: settings.apiToken },
    maxBodyBytes: settings.maxBodyBytes,
    corsOrigins: [],
    local: { metrics: () => telemetry.exposition(), docs: swaggerUi },
  });
  return { app, engine, registry, service };
}
