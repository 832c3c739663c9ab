import { type Environment, variablesOf, WrongSetting } from './variables.ts';

const LOG_LEVELS = ['info', 'warn', 'error'] as const;

/** The settings of the local server. Every field is one environment variable; docs/configuration.md explains them. */
export type LocalSettings = {
  readonly modelRepository: string;
  readonly modelControl: 'all' | 'explicit';
  /** Models that are loaded at the start and stay loaded; undefined: at the start as many as there is room for. */
  readonly preloadModels: readonly string[] | undefined;
  /** Seconds between two looks at the versions of the models that are in use. */
  readonly repositoryPollSecs: number;
  /** Bytes that all loaded models together may take; undefined: half of this machine's memory. */
  readonly modelMemoryBytes: number | undefined;
  /** Bytes that models from S3 may take on disk; undefined: half of what is free. */
  readonly modelCacheBytes: number | undefined;
  readonly host: string;
  readonly port: number;
  /** They share the port, and each has its part of the cores, of the memory for models and of the queue. */
  readonly processes: number;
  readonly serverName: string;
  readonly apiToken: string | undefined;
  readonly logLevel: (typeof LOG_LEVELS)[number];
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
  const { text, integer, models } = variablesOf(env);
  const host = text('HOST', '127.0.0.1');
  if (!/^[A-Za-z0-9.:_-]+$/.test(host)) {
    throw new WrongSetting(`HOST is '${host}'; expected a host name or an IP address, like 127.0.0.1`);
  }
  const modelRepository = text('MODEL_REPOSITORY', 'model-artifacts');
  const preloadModels = models('PRELOAD_MODELS');
  const modelControl = text('MODEL_CONTROL', 'all');
  if (modelControl !== 'all' && modelControl !== 'explicit') {
    throw new WrongSetting(`MODEL_CONTROL is '${modelControl}'; expected all or explicit`);
  }
  const logLevel = LOG_LEVELS.find((level) => level === text('LOG_LEVEL', 'info'));
  if (logLevel === undefined) {
    throw new WrongSetting(`LOG_LEVEL is '${env.LOG_LEVEL}'; expected one of ${LOG_LEVELS.join(', ')}`);
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
  const processes = integer('SERVER_PROCESSES', 1, 1, 64);
  if (processes > 1 && modelControl === 'explicit') {
    throw new WrongSetting(
      `SERVER_PROCESSES is ${processes}, and MODEL_CONTROL is explicit, where a call loads a model into one process; ` +
        'expected SERVER_PROCESSES=1, or MODEL_CONTROL=all',
    );
  }
  return {
    modelRepository,
    modelControl,
    preloadModels: preloadModels.length > 0 ? preloadModels : undefined,
    // A look into a folder costs nothing.
    repositoryPollSecs: integer('REPOSITORY_POLL_SECS', modelRepository.startsWith('s3://') ? 30 : 2, 1, 86_400),
    modelMemoryBytes: integer('MODEL_MEMORY_BYTES', 0, 1024 ** 2, 1024 ** 4) || undefined,
    modelCacheBytes: integer('MODEL_CACHE_BYTES', 0, 1024 ** 2, 1024 ** 5) || undefined,
    host,
    port: integer('PORT', 8080, 0, 65_535),
    processes,
    serverName: text('SERVER_NAME', 'serverless-onnx'),
    apiToken,
    logLevel,
    maxBodyBytes: integer('MAX_BODY_BYTES', 64 * 1024 ** 2, 1, 1024 ** 3),
    requestTimeoutMs: integer('REQUEST_TIMEOUT_MS', 30_000, 1, 3_600_000),
    loadTimeoutMs: integer('LOAD_TIMEOUT_MS', 120_000, 1, 3_600_000),
    maxQueue: integer('MAX_QUEUE_SIZE', 100, 1, 100_000),
    defaultMaxBatchSize: integer('DEFAULT_MAX_BATCH_SIZE', 4, 1, 100_000),
  };
}
