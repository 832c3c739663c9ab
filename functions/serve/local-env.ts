import { type Environment, variablesOf, WrongSetting } from './variables.ts';

/** The settings of the local server. Every field is one environment variable; docs/configuration.md explains them. */
export type LocalSettings = {
  readonly modelRepository: string;
  readonly modelControl: 'all' | 'explicit';
  readonly host: string;
  readonly port: number;
  readonly serverName: string;
  readonly apiToken: string | undefined;
  readonly maxBodyBytes: number;
  readonly requestTimeoutMs: number;
  readonly loadTimeoutMs: number;
  readonly maxQueue: number;
  readonly defaultMaxBatchSize: number;
};

const LOOPBACK_HOSTS = ['127.0.0.1', 'localhost', '::1'];

export function isLoopback(host: string): boolean {
  return LOOPBACK_HOSTS.includes(host);
}

/** @throws WrongSetting */
export function readLocalSettings(env: Environment): LocalSettings {
  const { text, integer } = variablesOf(env);
  const host = text('HOST', '127.0.0.1');
  if (!/^[A-Za-z0-9.:_-]+$/.test(host)) {
    throw new WrongSetting(`HOST is '${host}'; expected a host name or an IP address, like 127.0.0.1`);
  }
  const modelControl = text('MODEL_CONTROL', 'all');
  if (modelControl !== 'all' && modelControl !== 'explicit') {
    throw new WrongSetting(`MODEL_CONTROL is '${modelControl}'; expected all or explicit`);
  }
  const apiToken = env.API_TOKEN?.trim() || undefined;
  if (apiToken !== undefined && !/^[\x21-\x7e]{16,}$/.test(apiToken)) {
    throw new WrongSetting(
      `API_TOKEN has ${apiToken.length} characters; expected at least 16 visible ASCII characters, without spaces`,
    );
  }
  if (!isLoopback(host) && apiToken === undefined) {
    throw new WrongSetting(
      `API_TOKEN is not set, and HOST is '${host}', which other machines can reach; expected a token of at least ` +
        '16 characters, or HOST=127.0.0.1',
    );
  }
  return {
    modelRepository: text('MODEL_REPOSITORY', 'model-artifacts'),
    modelControl,
    host,
    port: integer('PORT', 8080, 0, 65_535),
    serverName: text('SERVER_NAME', 'serverless-onnx'),
    apiToken,
    maxBodyBytes: integer('MAX_BODY_BYTES', 64 * 1024 ** 2, 1, 1024 ** 3),
    requestTimeoutMs: integer('REQUEST_TIMEOUT_MS', 30_000, 1, 3_600_000),
    loadTimeoutMs: integer('LOAD_TIMEOUT_MS', 120_000, 1, 3_600_000),
    maxQueue: integer('MAX_QUEUE_SIZE', 100, 1, 100_000),
    defaultMaxBatchSize: integer('DEFAULT_MAX_BATCH_SIZE', 4, 1, 100_000),
  };
}
