import { setTimeout as sleep } from 'node:timers/promises';
import {
  fromResponse,
  type Invocation,
  type ProxyEvent,
  type ProxyResult,
  toRequest,
} from '../adapters/api-gateway.ts';
import { EmbeddedMetrics } from '../adapters/emf.ts';
import { InlineEngine } from '../adapters/inline-engine.ts';
import { cpusOf } from '../adapters/lambda-cpu.ts';
import { plainResponse } from '../adapters/plain-fetch.ts';
import { createApp } from '../http/app.ts';
import type { Log } from '../inference/ports.ts';
import { composeService } from './compose.ts';
import type { LambdaSettings } from './lambda-env.ts';
import { configuredRepository } from './model-repository.ts';

export type LambdaHandler = (event: ProxyEvent, invocation: Invocation) => Promise<ProxyResult>;

/** What the Lambda service itself decides about the function, in MB. */
export type LambdaMachine = {
  readonly memoryMb: number;
  /** The folder for models from S3: all of the ephemeral storage is theirs. */
  readonly cache: string;
  /** What has started is not used but copied, later and many times. */
  readonly isForSnapshot: boolean;
};

/** The list of a model's versions is read again before a version is chosen, when it is older than this. */
const REFRESH_MS = 30_000;
/** Between two requests nothing is loaded: each gives a new version this much time. */
const SWAP_PATIENCE_MS = 500;
/** What Node, ONNX Runtime and the largest request and answer take of the function's memory. */
const PROCESS_MB = 256;
const MIN_MODEL_MEMORY_MB = 64;
/** What is not for models: their folders and what is unfinished. */
const CACHE_SHARE = 0.95;
/** Lambda gives INIT 10 s at full CPU; what is not done by then goes on when the first request is there. */
const INIT_BUDGET_MS = 9_000;

/** The service of the Lambda function, started: its handler of API Gateway's events. */
export async function startLambdaService(
  settings: LambdaSettings,
  { memoryMb, cache, isForSnapshot }: LambdaMachine,
  log: Log,
  writeMetrics: (line: string) => void,
): Promise<LambdaHandler> {
  const telemetry = new EmbeddedMetrics(settings.metricsNamespace, writeMetrics);
  const store = await configuredRepository(
    settings.modelRepository,
    { folder: cache, share: CACHE_SHARE },
    { isInImage: true },
  );
  const { service, files } = composeService(
    {
      store,
      engine: new InlineEngine(cpusOf(memoryMb)),
      telemetry,
      log,
      // The serving role never writes: an alarm on the metrics of the canary does this for all environments.
      endCanary: async () => {},
    },
    {
      ...settings,
      explicit: false,
      staleMs: REFRESH_MS,
      swapPatienceMs: SWAP_PATIENCE_MS,
      modelMemory: Math.max(MIN_MODEL_MEMORY_MB, memoryMb - PROCESS_MB) * 1024 ** 2,
      // Requests come one at a time.
      maxBatcherQueue: 0,
    },
  );
  const app = createApp({
    service,
    files,
    statistics: (model, version) => service.statistics(model, version),
    log,
    // API Gateway has given every request its identifiers: what makes others is loaded when it is needed. A snapshot may not hold
    // numbers in store, which all that start from it would use.
    newId: () => process.getBuiltinModule('node:crypto').randomUUID({ disableEntropyCache: true }),
    // API Gateway has authenticated the caller.
    access: { loopbackOnly: false, token: undefined },
    respond: plainResponse,
    maxBodyBytes: settings.maxBodyBytes,
    corsOrigins: settings.corsOrigins,
    local: undefined,
  });
  if (isForSnapshot) {
    // It has minutes, and what it holds is whole: no model half loaded, and no connection that only it would know of.
    await service.start(settings.preloadModels);
    store.disconnect?.();
  } else {
    await service.start(settings.preloadModels, sleep(INIT_BUDGET_MS, undefined, { ref: false }));
  }
  telemetry.initialized(performance.now());
  return async (event, invocation) => fromResponse(await app.fetch(toRequest(event, invocation)));
}
