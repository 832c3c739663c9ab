import { randomUUID } from 'node:crypto';
import { totalmem } from 'node:os';
import { DeferredTelemetry } from '../adapters/deferred-telemetry.ts';
import { plainResponse } from '../adapters/plain-fetch.ts';
import { playgroundPage } from '../adapters/playground-page.ts';
import { swaggerUi } from '../adapters/swagger-ui.ts';
import { createApp } from '../http/app.ts';
import type { EndCanary, Engine, Log, ModelRepository } from '../inference/ports.ts';
import type { ModelRegistry } from '../inference/registry.ts';
import type { InferenceService } from '../inference/service.ts';
import { summed } from '../inference/statistics.ts';
import { composeService } from './compose.ts';
import { localEngine } from './local-engine.ts';
import { isLoopback, type LocalSettings } from './local-env.ts';
import { Processes } from './processes.ts';

export type LocalService = {
  readonly app: ReturnType<typeof createApp>;
  readonly engine: Engine;
  readonly registry: ModelRegistry;
  readonly service: InferenceService;
};

/** Of this machine's memory, or of what a container may have of it. */
const MODEL_MEMORY_SHARE = 0.5;
/** A request looks for itself only where the timer is late. */
const POLL_GRACE_MS = 1_000;

/** All parts of the service on one machine, wired but not started. */
export function composeLocalService(
  settings: LocalSettings,
  store: ModelRepository,
  log: Log,
  engine = localEngine(settings, log),
  processes = new Processes(),
): LocalService {
  const telemetry = new DeferredTelemetry(async () => {
    const { PrometheusTelemetry } = await import('../adapters/prometheus.ts');
    return new PrometheusTelemetry(() =>
      registry.served().map(({ model, version, loaded }) => ({ model, version, pending: loaded.pending })),
    );
  });
  const { registry, service, files } = composeService(
    { store, engine, telemetry, log, endCanary: canaryEnder(store) },
    {
      ...settings,
      explicit: settings.modelControl === 'explicit',
      // It loads beside the one that answers.
      swapPatienceMs: 0,
      preloadModels: settings.preloadModels ?? [],
      staleMs: settings.repositoryPollSecs * 1000 + POLL_GRACE_MS,
      modelMemory: Math.floor((settings.modelMemoryBytes ?? machineMemory() * MODEL_MEMORY_SHARE) / settings.processes),
      maxBatcherQueue: Math.ceil(settings.maxQueue / settings.processes),
    },
  );
  processes.answer('metrics', async () => (await telemetry.loading()).snapshot());
  processes.answer('statistics', (...of: string[]) => service.statistics(...of));
  type Counted = Awaited<ReturnType<InferenceService['statistics']>>;
  const app = createApp({
    service,
    files,
    statistics: async (...of) => summed(await processes.ask<Counted>('statistics', ...of)),
    log,
    newId: randomUUID,
    respond: plainResponse,
    access: { loopbackOnly: isLoopback(settings.host), token: settings.apiToken },
    maxBodyBytes: settings.maxBodyBytes,
    corsOrigins: [],
    local: {
      metrics: async () => (await telemetry.loading()).exposition(await processes.ask('metrics')),
      pages: new Map([...playgroundPage, ...swaggerUi]),
    },
  });
  return { app, engine, registry, service };
}

/** Looks for new versions of the models that are in use, until the process ends. */
export function pollRepository({ registry }: LocalService, { repositoryPollSecs }: LocalSettings): void {
  const poll = async (): Promise<void> => {
    await registry.refresh();
    setTimeout(poll, repositoryPollSecs * 1000).unref();
  };
  setTimeout(poll, repositoryPollSecs * 1000).unref();
}

function canaryEnder(repository: ModelRepository): EndCanary {
  return async (model, version, reason) => {
    const { Publisher } = await import('../inference/publisher.ts');
    const publisher = new Publisher(repository, () => ({
      at: new Date().toISOString(),
      by: 'serverless-onnx',
      reason,
    }));
    await publisher.endCanary(model, version);
  };
}

function machineMemory(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}
