// The service on this machine, once its settings are read: parts, wiring, start, drain.

import cluster from 'node:cluster';
import { stat } from 'node:fs/promises';
import type { Server } from 'node:http';
import { flushCompileCache } from 'node:module';
import type { AddressInfo } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { serverLog } from '../adapters/server-log.ts';
import type { WorkerProcess } from '../adapters/worker-process.ts';
import type { Engine, Log, ModelRepository } from '../inference/ports.ts';
import { localEngine } from './local-engine.ts';
import type { LocalSettings } from './local-env.ts';
import { composeLocalService, pollRepository } from './local-service.ts';
import { configuredRepository } from './model-repository.ts';
import type { ToProcess } from './processes.ts';
import { WrongSetting } from './variables.ts';

/** Of what is free, for models from S3. */
const DISK_SHARE = 0.5;

/**
 * Serves until it is told to end.
 * @param child a child process that may still be starting
 * @throws WrongSetting
 */
export async function serve(settings: LocalSettings, child: WorkerProcess): Promise<void> {
  const store = await openRepository(settings);
  const terminal = process.stdout.isTTY;
  const log = await serverLog(terminal, settings.logLevel);
  const engine = localEngine(settings, log, child);
  try {
    const local = composeLocalService(settings, store, log, engine);
    const { app, registry, service } = local;
    const starting = service.start(settings.preloadModels);
    // Read meanwhile.
    const { httpServer } = await import('../adapters/http-server.ts');
    const server = httpServer((request) => app.fetch(request));
    await listen(server, settings);
    drainWhenTold(server, engine, log, settings);
    await starting;
    pollRepository(local, settings);
    const url = urlOf(server.address() as AddressInfo);
    if (terminal && !isFurther()) {
      const { banner } = await import('./banner.ts');
      console.log(banner(url, settings, registry.states(), registry.served()));
    } else log.info({ pid: process.pid, url, models: registry.states() }, 'serving');
    // Who is killed leaves it to nobody.
    setImmediate(flushCompileCache);
  } catch (error) {
    await engine.close();
    throw error;
  }
}

function urlOf({ family, address, port }: AddressInfo): string {
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}

async function openRepository({ modelRepository: location, modelCacheBytes }: LocalSettings): Promise<ModelRepository> {
  const folder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'serverless-onnx');
  // Only people need it, and it takes time to load.
  const watch = process.stderr.isTTY ? (await import('../adapters/progress.ts')).downloadBars() : undefined;
  const store = await configuredRepository(
    location,
    { folder, maxBytes: modelCacheBytes, share: DISK_SHARE },
    { watch },
  );
  if (location.startsWith('s3://')) {
    await store.models().catch(({ message }: Error) => {
      throw new WrongSetting(`MODEL_REPOSITORY is '${location}': ${message}; expected a bucket that you may list`);
    });
    return store;
  }
  const found = await stat(location).catch(() => undefined);
  if (!found?.isDirectory()) {
    const what = found === undefined ? 'which does not exist' : 'which is a file';
    throw new WrongSetting(
      `MODEL_REPOSITORY is '${location}', ${what}; expected a folder of models, like model-artifacts, or s3://bucket/prefix`,
    );
  }
  return store;
}

function listen(server: Server, { host, port }: LocalSettings): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') {
        reject(new WrongSetting(`PORT is ${port}, where another program listens; expected a free port, or 0 for any`));
      } else if (error.code === 'EACCES') {
        reject(new WrongSetting(`PORT is ${port}, which needs more rights; expected a port from 1024 to 65535`));
      } else {
        reject(new WrongSetting(`HOST is '${host}', which can't be bound (${error.code}); expected an own address`));
      }
    });
    server.listen(port, host, resolve);
  });
}

/** Of several processes the first speaks for all to a person. */
function isFurther(): boolean {
  return cluster.isWorker && cluster.worker?.id !== 1;
}

const DRAIN_GRACE_MS = 5_000;

/** Told once, the requests under way finish; told twice, the server ends at once. */
function drainWhenTold(server: Server, engine: Engine, log: Log, { requestTimeoutMs }: LocalSettings): void {
  let draining = false;
  const drain = (signal: string): void => {
    if (draining) process.exit(1);
    draining = true;
    log.info({ signal }, 'draining: requests under way are answered, new ones are not taken');
    // No request takes longer; what is open then is a client that does not go on.
    setTimeout(() => server.closeAllConnections(), requestTimeoutMs + DRAIN_GRACE_MS).unref();
    // Connections that wait for a next request are closed by `close`, the others once their answer is out.
    server.close(async () => {
      await engine.close();
      log.info({}, 'ended');
      process.exit(0);
    });
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    // A terminal tells all processes, and then the supervisor does.
    process.on(signal, () => cluster.isWorker || drain(signal));
  }
  if (!cluster.isWorker) return;
  process.on('message', ({ type }: ToProcess) => type === 'drain' && drain(type));
  process.on('disconnect', () => draining || drain('the supervisor ended'));
}
