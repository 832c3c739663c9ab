import { expect, test } from 'vitest';
import { lambdaVariables, readLambdaSettings } from '../../functions/serve/lambda-env.ts';
import { WrongSetting } from '../../functions/serve/variables.ts';

const SETTINGS = {
  modelRepository: 's3://a-bucket/models',
  preloadModels: ['digits', 'other'],
  serverName: 'mine',
  defaultMaxBatchSize: 8,
  maxBodyBytes: 1000,
  requestTimeoutMs: 2000,
  corsOrigins: ['https://a.example', 'https://b.example'],
  metricsNamespace: 'Mine',
};

test('what infra writes is what the function reads', () => {
  expect(readLambdaSettings(lambdaVariables(SETTINGS))).toEqual(SETTINGS);
});

test.each([
  [{}, /^MODEL_REPOSITORY is ''; expected s3:\/\/bucket\/prefix/],
  [{ MODEL_REPOSITORY: 'models' }, /^MODEL_REPOSITORY is 'models'/],
  [{ MODEL_REPOSITORY: 's3://Not_A_Bucket/x' }, /^MODEL_REPOSITORY is 's3:\/\/Not_A_Bucket\/x'/],
  [{ MODEL_REPOSITORY: '/models', PRELOAD_MODELS: 'a,../b' }, /^PRELOAD_MODELS holds '\.\.\/b'/],
])('%o', (env, sentence) => {
  expect(() => readLambdaSettings(env)).toThrow(WrongSetting);
  expect(() => readLambdaSettings(env)).toThrow(sentence);
});
