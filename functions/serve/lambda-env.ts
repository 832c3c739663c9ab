import { ALLOCATION } from '../adapters/session-memory.ts';
import { type Environment, variablesOf, WrongSetting } from './variables.ts';

/** The settings of the Lambda function: infra/ writes them (`lambdaVariables`), the function reads them. */
export type LambdaSettings = {
  /** `s3://bucket/prefix`, or a folder that is part of the image. */
  readonly modelRepository: string;
  /** Models whose sessions are made before the first request, while the CPU is not throttled. */
  readonly preloadModels: readonly string[];
  /** The name in `GET /v2`. */
  readonly serverName: string;
  /** `max_batch_size` of a model that can batch and does not say how much. */
  readonly defaultMaxBatchSize: number;
  /** The largest request body, decompressed. Lambda itself takes about 4.4 MB. */
  readonly maxBodyBytes: number;
  /** How long a request waits for its model to be loaded, in milliseconds: less than the function's own timeout. */
  readonly requestTimeoutMs: number;
  /** Origins whose pages may read the answers; empty: none. */
  readonly corsOrigins: readonly string[];
  /** The CloudWatch namespace of the metrics. */
  readonly metricsNamespace: string;
};

/** @throws WrongSetting */
export function readLambdaSettings(env: Environment): LambdaSettings {
  const { text, integer, models } = variablesOf(env);
  const modelRepository = text('MODEL_REPOSITORY', '');
  if (!/^(s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/.*)?|\/.+)$/.test(modelRepository)) {
    throw new WrongSetting(
      `MODEL_REPOSITORY is '${modelRepository}'; expected s3://bucket/prefix, or the absolute path of a folder`,
    );
  }
  return {
    modelRepository,
    preloadModels: models('PRELOAD_MODELS'),
    serverName: text('SERVER_NAME', 'serverless-onnx'),
    defaultMaxBatchSize: integer('DEFAULT_MAX_BATCH_SIZE', 4, 1, 100_000),
    maxBodyBytes: integer('MAX_BODY_BYTES', 64 * 1024 ** 2, 1, 1024 ** 3),
    requestTimeoutMs: integer('REQUEST_TIMEOUT_MS', 28_500, 1, 900_000),
    corsOrigins: text('CORS_ORIGINS', '').split(',').filter(Boolean),
    metricsNamespace: text('METRICS_NAMESPACE', 'ServerlessOnnx'),
  };
}

/** The variables that `readLambdaSettings` reads, and those that the process needs before any of our code runs. */
export function lambdaVariables(settings: LambdaSettings): { [name: string]: string } {
  return {
    MODEL_REPOSITORY: settings.modelRepository,
    PRELOAD_MODELS: settings.preloadModels.join(','),
    SERVER_NAME: settings.serverName,
    DEFAULT_MAX_BATCH_SIZE: `${settings.defaultMaxBatchSize}`,
    MAX_BODY_BYTES: `${settings.maxBodyBytes}`,
    REQUEST_TIMEOUT_MS: `${settings.requestTimeoutMs}`,
    CORS_ORIGINS: settings.corsOrigins.join(','),
    METRICS_NAMESPACE: settings.metricsNamespace,
    ...ALLOCATION,
  };
}
