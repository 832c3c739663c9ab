import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type ZodType, z } from 'zod';
import { GATES } from '../../functions/retrain/gates.ts';
import { LIMITS } from '../../functions/retrain/limits.ts';
import { checkFits, OPTIONS, readConfig, readDeploymentName, readTrainer, WrongConfig } from '../../infra/config.ts';
import { trainingOf } from '../../infra/deployment.ts';
import type { ArtifactFile } from '../../infra/model-artifacts.ts';
import { TRAINING_OPTIONS } from '../../infra/training-options.ts';

const arn = 'arn:aws:acm:us-east-1:111122223333:certificate/00000000-0000-0000-0000-000000000000';

describe('a mistake is one sentence: where, what was got, what is expected', () => {
  test.each<[unknown, string]>([
    ['fast', 'cdk.json: serverless-onnx is "fast"; expected an object of options'],
    [[], 'cdk.json: serverless-onnx is []; expected an object of options'],
    [{ memoryMB: 512 }, 'cdk.json: serverless-onnx.memoryMB is unknown; expected one of memoryMb, timeoutSeconds, '],
    [{ memoryMb: '512' }, 'cdk.json: serverless-onnx.memoryMb is "512"; expected a whole number from 128 to 10240'],
    [{ memoryMb: 127 }, 'cdk.json: serverless-onnx.memoryMb is 127; expected a whole number from 128 to 10240'],
    [{ memoryMb: 512.5 }, 'cdk.json: serverless-onnx.memoryMb is 512.5; expected a whole number from 128 to 10240'],
    [{ timeoutSeconds: 30 }, 'cdk.json: serverless-onnx.timeoutSeconds is 30; expected a whole number from 1 to 29'],
    [{ architecture: 'arm' }, 'cdk.json: serverless-onnx.architecture is "arm"; expected x86_64 or arm64'],
    [{ baseImage: 'a b' }, 'cdk.json: serverless-onnx.baseImage is "a b"; expected the name of an image'],
    [
      { authentication: 'none' },
      'cdk.json: serverless-onnx.authentication is "none"; expected iam, api-key or cognito',
    ],
    [{ publicHealth: 'yes' }, 'cdk.json: serverless-onnx.publicHealth is "yes"; expected true or false'],
    [
      { preloadModels: 'digits' },
      'cdk.json: serverless-onnx.preloadModels is "digits"; expected a list of names of models',
    ],
    [
      { preloadModels: ['a', '../b'] },
      'cdk.json: serverless-onnx.preloadModels.1 is "../b"; expected a name of a model',
    ],
    [
      { corsOrigins: ['example.com'] },
      'cdk.json: serverless-onnx.corsOrigins.0 is "example.com"; expected an origin like',
    ],
    [{ logRetentionDays: 8 }, 'cdk.json: serverless-onnx.logRetentionDays is 8; expected a number of days that'],
    [{ alarmEmail: 'me' }, 'cdk.json: serverless-onnx.alarmEmail is "me"; expected an e-mail address'],
    [
      { provisionedConcurrency: 4, provisionedConcurrencyMax: 4 },
      'cdk.json: serverless-onnx.provisionedConcurrencyMax is 4; expected more than provisionedConcurrency, 4',
    ],
    [
      { provisionedConcurrency: 4, reservedConcurrency: 3 },
      'cdk.json: serverless-onnx.reservedConcurrency is 3; expected at least the provisioned concurrency, 4',
    ],
    [
      { snapStart: true, ephemeralStorageMb: 512, provisionedConcurrency: 1 },
      'cdk.json: serverless-onnx.snapStart is true; expected false, as Lambda has it or provisioned concurrency',
    ],
    [
      { snapStart: true, ephemeralStorageMb: 512, provisionedConcurrencyMax: 1 },
      'cdk.json: serverless-onnx.snapStart is true; expected false, as Lambda has it or provisioned concurrency',
    ],
    [
      { snapStart: true },
      'cdk.json: serverless-onnx.ephemeralStorageMb is 1024; expected 512, as snapStart is true and a snapshot',
    ],
    [
      { apiKeyQuotaPerMonth: 10 },
      'cdk.json: serverless-onnx.apiKeyQuotaPerMonth is 10; expected none, as authentication is iam',
    ],
    [
      { customDomainName: 'models.example.com' },
      'cdk.json: serverless-onnx.customDomainCertificateArn is not set; expected both customDomainName and ',
    ],
    [
      { customDomainCertificateArn: arn },
      'cdk.json: serverless-onnx.customDomainName is not set; expected both customDomainName and ',
    ],
  ])('%j', (config, sentence) => {
    const read = () => readConfig(config);
    expect(read).toThrow(WrongConfig);
    expect(read).toThrow(sentence);
  });

  test.each(['1st', 'a_b', '', 'x'.repeat(41), true])('-c deployment=%s', (name) => {
    expect(() => readDeploymentName(name)).toThrow(
      `deployment is ${JSON.stringify(name)}; expected a letter and up to`,
    );
  });
});

test('without options every default holds', () => {
  expect(readConfig(undefined)).toEqual(readConfig({}));
  expect(readConfig({})).toMatchObject({ authentication: 'iam', publicHealth: false, corsOrigins: [] });
});

describe('the models that a deployment brings', () => {
  const file = (key: string, megabytes: number): ArtifactFile => ({
    path: key,
    key,
    bytes: megabytes * 1024 ** 2,
    sha256: '0'.repeat(64),
  });

  test('the largest version must fit into the ephemeral storage', () => {
    const files = [file('a/1/model.onnx', 1), file('a/2/model.onnx', 1), file('a/2/weights.bin', 600)];
    expect(() => checkFits(readConfig({ ephemeralStorageMb: 600 }), files)).toThrow(
      'cdk.json: serverless-onnx.ephemeralStorageMb is 600; expected at least 601, the size of the largest model',
    );
    expect(() => checkFits(readConfig({ ephemeralStorageMb: 601 }), files)).not.toThrow();
    expect(() => checkFits(readConfig({ ephemeralStorageMb: 600, modelRepository: 'image' }), files)).not.toThrow();
  });

  test('more files than a policy takes are refused', () => {
    const files = Array.from({ length: 61 }, (_, index) => file(`a/${index + 1}/model.onnx`, 1));
    expect(() => checkFits(readConfig({}), files)).toThrow(/^model-artifacts holds 61 files; expected at most 60, /);
    expect(() => checkFits(readConfig({}), files.slice(1))).not.toThrow();
  });
});

describe.each([
  { file: 'docs/deployment.md', heading: 'Configuration', options: OPTIONS },
  { file: 'docs/training.md', heading: 'On AWS: training.json', options: TRAINING_OPTIONS },
])('$file', ({ file, heading, options }) => {
  const text = readFileSync(join(import.meta.dirname, '../..', file), 'utf8');
  const [, section = ''] = text.split(`\n## ${heading}\n`);
  const rows = [...(section.split('\n## ')[0] ?? '').matchAll(/^\| `(\w+)` \| (.*?) \| (.*?) \| (.*?) \|$/gm)];

  test('has every option once, in order', () => {
    expect(rows.map(([, option]) => option)).toEqual(Object.keys(options));
  });

  test.each(Object.entries<ZodType>(options))('%s: its default, and what is expected', (option, schema) => {
    const [, , defaultValue, expected, meaning] = rows.find(([, name]) => name === option) ?? [];
    const found = schema.parse(undefined);
    expect(defaultValue).toBe(found === undefined ? '' : `\`${JSON.stringify(found)}\``);
    const issue = z.object({ option: schema }).safeParse({ option: Symbol() }).error?.issues[0];
    expect(expected).toBe(issue?.message);
    expect(meaning?.length).toBeGreaterThan(10);
  });
});

test('a training.json is read before anything is made', () => {
  const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-training-'));
  const path = join(folder, 'training.json');
  writeFileSync(path, '{"spot": true, "checkpoints": false}');
  const found = { path, key: 'digits/training.json', bytes: 1, sha256: '' };
  expect(() => trainingOf([found])).toThrow(
    'model-artifacts/digits/training.json: spot is true; expected false, as checkpoints is false',
  );
  rmSync(folder, { recursive: true });
});

describe('docs/retraining.md', () => {
  const text = readFileSync(join(import.meta.dirname, '../../docs/retraining.md'), 'utf8');
  test.each([
    ['Gates', GATES],
    ['Limits', LIMITS],
  ])('%s: each with its default and its range, in order', (heading, ranges) => {
    const [, section = ''] = text.split(`\n## ${heading}\n`);
    const rows = [
      ...(section.split('\n## ')[0] ?? '').matchAll(/^\| `(\w+)` \| (\S+) \| (\S+) \| (\S+) \| .{10,} \|$/gm),
    ];
    expect(rows.map(([, name, ...numbers]) => [name, numbers.map(Number)])).toEqual(Object.entries(ranges));
  });
});

describe('-c trainer', () => {
  test('is SageMaker, unless another is named', () => {
    expect([undefined, 'sagemaker', 'callback'].map(readTrainer)).toEqual(['sagemaker', 'sagemaker', 'callback']);
    expect(() => readTrainer('local')).toThrow('trainer is "local"; expected sagemaker or callback');
  });
});
