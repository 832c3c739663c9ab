// `npm start`: the service on this machine. Read it aloud: settings, parts, wiring, start, drain.

import { stat } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { availableParallelism } from 'node:os';
import { createAdaptorServer } from '@hono/node-server';
import packageJson from '../../package.json' with { type: 'json' };
import { DirectoryStore } from '../adapters/directory-store.ts';
import { IsolatedEngine } from '../adapters/isolated-engine.ts';
import { LanedEngine } from '../adapters/laned-engine.ts';
import { createLog } from '../adapters/pino-log.ts';
import { PrometheusTelemetry } from '../adapters/prometheus.ts';
import { createApp } from '../http/app.ts';
import { ModelRegistry } from '../inference/registry.ts';
import { InferenceService } from '../inference/service.ts';
import { printBanner, USAGE } from './banner.ts';
import { isLoopback, type LocalSettings, readLocalSettings, WrongSetting } from './env.ts';

async function main(): Promise<void> {
  const [argument] = process.argv.slice(2);
  if (argument === '--help' || argument === '-h') {
    console.log(USAGE);
    return;
  }
  if (argument !== undefined) {
    throw new WrongSetting(
      `npm start takes no arguments, got '${argument}'; settings are environment variables: --help`,
    );
  }
  await serve(readLocalSettings(process.env));
}

async function serve(settings: LocalSettings): Promise<void> {
  await checkRepository(settings.modelRepository);
  const log = createLog(process.stdout.isTTY);
  const isolated = new IsolatedEngine({ ...settings, processes: availableParallelism() }, log);
  const engine = new LanedEngine(isolated);
  const registry = new ModelRegistry(new DirectoryStore(settings.modelRepository), engine, log);
  const telemetry = new PrometheusTelemetry(() =>
    registry.served().map(({ model, version, loaded }) => ({ model, version, pending: loaded.pending })),
  );
  const service = new InferenceService(registry, telemetry, {
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
  });
  const server = createAdaptorServer({ fetch: app.fetch }) as Server;
  try {
    await listen(server, settings);
    drainOnSignal(server, engine, log);
    await service.start();
    printBanner(server.address() as AddressInfo, settings, registry.states(), registry.served());
  } catch (error) {
    await engine.close();
    throw error;
  }
}

async function checkRepository(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isDirectory()) {
    const what = found === undefined ? 'which does not exist' : 'which is a file';
    throw new WrongSetting(`MODEL_REPOSITORY is '${path}', ${what}; expected a folder of models, like model-artifacts`);
  }
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

/** The first signal lets the requests under way finish; a second one ends the server at once. */
function drainOnSignal(server: Server, engine: LanedEngine, log: ReturnType<typeof createLog>): void {
  let draining = false;
  const drain = (signal: NodeJS.Signals): void => {
    if (draining) process.exit(1);
    draining = true;
    log.info({ signal }, 'draining: requests under way are answered, new ones are not taken');
    // Connections that wait for a next request are closed by `close`, the others once their answer is out.
    server.close(async () => {
      await engine.close();
      log.info({}, 'ended');
      process.exit(0);
    });
  };
  process.on('SIGTERM', drain);
  process.on('SIGINT', drain);
}

try {
  await main();
} catch (error) {
  if (!(error instanceof WrongSetting)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
