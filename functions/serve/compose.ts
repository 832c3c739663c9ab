import { availableParallelism } from 'node:os';
import packageJson from '../../package.json' with { type: 'json' };
import { IsolatedEngine } from '../adapters/isolated-engine.ts';
import { LanedEngine } from '../adapters/laned-engine.ts';
import { TemporaryOverrides } from '../adapters/load-override.ts';
import { PrometheusTelemetry } from '../adapters/prometheus.ts';
import { swaggerUi } from '../adapters/swagger-ui.ts';
import { createApp } from '../http/app.ts';
import { ModelLoader } from '../inference/model-loader.ts';
import type { Engine, Log, ModelStore } from '../inference/ports.ts';
import { ModelRegistry } from '../inference/registry.ts';
import { InferenceService } from '../inference/service.ts';
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
  const loader = new ModelLoader(engine, log, {
    defaultMaxBatchSize: settings.defaultMaxBatchSize,
    maxBatcherQueue: settings.maxQueue,
  });
  const registry = new ModelRegistry(store, loader, log, {
    refreshMs: REFRESH_MS,
    explicit: settings.modelControl === 'explicit',
  });
  const telemetry = new PrometheusTelemetry(() =>
    registry.served().map(({ model, version, loaded }) => ({ model, version, pending: loaded.pending })),
  );
  const service = new InferenceService(registry, telemetry, new TemporaryOverrides(), {
    name: settings.serverName,
    version: packageJson.version,
    requestTimeoutMs: settings.requestTimeoutMs,
  });
  const app = createApp({
    service,
    log,
    access: { loopbackOnly: isLoopback(settings.host), token: settings.apiToken },
    maxBodyBytes: settings.maxBodyBytes,
    metrics: () => telemetry.exposition(),
    docs: swaggerUi,
  });
  return { app, engine, registry, service };
}
