// The ways into the service. Every behaviour test runs through each of them.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type Agent, request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { ProxyResult } from '../../functions/adapters/api-gateway.ts';
import { DirectoryRepository } from '../../functions/adapters/directory-repository.ts';
import { readLambdaSettings } from '../../functions/serve/lambda-env.ts';
import { startLambdaService } from '../../functions/serve/lambda-service.ts';
import { readLocalSettings } from '../../functions/serve/local-env.ts';
import { composeLocalService, pollRepository } from '../../functions/serve/local-service.ts';

export type Reply = { status: number; headers: Headers; text: string; bytes: Buffer };
export type Call = { method?: string; headers?: Record<string, string>; body?: string | Uint8Array };
export type LogLine = { [field: string]: unknown };

export type Client = {
  call(path: string, call?: Call): Promise<Reply>;
  /** What the service has logged so far. */
  readonly logged: LogLine[];
  close(): Promise<void>;
};

const reply = (status: number, headers: Headers, bytes: Buffer): Reply => ({
  status,
  headers,
  bytes,
  text: bytes.toString(),
});

type Environment = { [name: string]: string };

export type Edge = { name: string; open(environment: Environment): Promise<Client> };

const inProcess: Edge = {
  name: 'in-process',
  async open(environment) {
    const logged: LogLine[] = [];
    const add = (fields: object, msg: string): void => void logged.push({ ...fields, msg });
    const log = { info: add, warn: add, error: add };
    const settings = readLocalSettings(environment);
    const store = new DirectoryRepository(settings.modelRepository);
    const local = composeLocalService(settings, store, log);
    const { app, engine, service } = local;
    await service.start(settings.preloadModels);
    pollRepository(local, settings);
    return {
      logged,
      async call(path, { method, headers, body } = {}) {
        const init = { method: method ?? (body === undefined ? 'GET' : 'POST'), headers: headers ?? {} };
        const url = new URL(path, 'http://127.0.0.1');
        const response = await app.fetch(
          new Request(url, body === undefined ? init : { ...init, body: body as Uint8Array<ArrayBuffer> | string }),
        );
        const parts = await Array.fromAsync(response.body ?? []);
        return reply(response.status, new Headers([...response.headers]), Buffer.concat(parts));
      },
      close: () => engine.close(),
    };
  },
};

export type ServerProcess = Client & { readonly url: string; readonly process: ChildProcess };

/** `npm start` in a process of its own, on a free port. */
export async function startServer(environment: Environment): Promise<ServerProcess> {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../functions/serve/local.ts')], {
    env: { PATH: process.env.PATH, PORT: '0', ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const logged: LogLine[] = [];
  const url = await new Promise<string>((resolve, reject) => {
    createInterface(child.stdout).on('line', (text) => {
      const line = JSON.parse(text) as LogLine;
      logged.push(line);
      if (line.msg === 'serving') resolve(line.url as string);
    });
    child.once('exit', (code, signal) => reject(new Error(`the server ended (${signal ?? code}) before it served`)));
  });
  return {
    url,
    process: child,
    logged,
    call: (path, call) => rawCall(url, path, call),
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}

/**
 * Sends the path as it is: `fetch` would resolve `..` before it is sent.
 * @param agent keeps connections; without it each call has one of its own
 */
export async function rawCall(
  url: string,
  path: string,
  { method, headers, body }: Call = {},
  agent: Agent | false = false,
): Promise<Reply> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      host: hostname,
      port,
      path,
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      headers: headers ?? {},
      agent,
    });
    request.on('response', async (response) => {
      const chunks: Buffer[] = [];
      try {
        for await (const chunk of response) chunks.push(chunk as Buffer);
      } catch (error) {
        reject(error as Error);
        return;
      }
      const pairs = Object.entries(response.headers).map(([name, value]): [string, string] => [name, String(value)]);
      resolve(reply(response.statusCode ?? 0, new Headers(pairs), Buffer.concat(chunks)));
    });
    request.on('error', reject);
    request.end(body);
  });
}

const overHttp: Edge = { name: 'HTTP', open: startServer };

/** Events as API Gateway makes them of requests to a REST API whose binary media type is everything. */
export const lambdaEvents: Edge = {
  name: 'Lambda events',
  async open(environment) {
    const logged: LogLine[] = [];
    const add = (fields: object, msg: string): void => void logged.push({ ...fields, msg });
    const cache = mkdtempSync(join(tmpdir(), 'serverless-onnx-lambda-'));
    const handle = await startLambdaService(
      readLambdaSettings(environment),
      { memoryMb: Number(environment.AWS_LAMBDA_FUNCTION_MEMORY_SIZE ?? 1769), cache, isForSnapshot: false },
      { info: add, warn: add, error: add },
      (line) => logged.push(JSON.parse(line) as LogLine),
    );
    return {
      logged,
      async call(path, { method, headers, body } = {}) {
        const [pathOnly = ''] = path.split('?');
        const names = Object.entries(headers ?? {}).filter(([name]) => name.toLowerCase() !== 'content-length');
        const event = {
          httpMethod: method ?? (body === undefined ? 'GET' : 'POST'),
          path: pathOnly,
          multiValueHeaders: Object.fromEntries(names.map(([name, value]) => [name, [value]])),
          body: body === undefined ? null : Buffer.from(body).toString('base64'),
          isBase64Encoded: body !== undefined,
        };
        // Lambda passes JSON in both directions.
        const result = JSON.parse(
          JSON.stringify(await handle(JSON.parse(JSON.stringify(event)), { awsRequestId: randomUUID() })),
        ) as ProxyResult;
        const bytes = Buffer.from(result.body, result.isBase64Encoded ? 'base64' : 'utf8');
        return reply(result.statusCode, new Headers(result.headers as Record<string, string>), bytes);
      },
      async close() {
        rmSync(cache, { recursive: true });
      },
    };
  },
};

/** Ways into the local server. */
export const LOCAL_EDGES: readonly Edge[] = [inProcess, overHttp];
export const EDGES: readonly Edge[] = [...LOCAL_EDGES, lambdaEvents];
