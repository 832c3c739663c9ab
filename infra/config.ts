import { z } from 'zod';
import { isModelName } from '../functions/protocol/names.ts';
import { type ArtifactFile, largestVersionMb } from './model-artifacts.ts';
import { flag, integer, listOf, matching, oneOf, show } from './schema.ts';

/** The deployment's configuration can't be used; the message is one sentence. */
export class WrongConfig extends Error {}

/** The key in the context of cdk.json. */
export const CONFIG_KEY = 'serverless-onnx';
/** As many as fit into the policy of the role that copies them, one by one. */
const MAX_SEEDED_FILES = 60;
/** The longest that API Gateway waits for a REST API's integration, without a raised quota. */
const MAX_TIMEOUT_SECONDS = 29;
/** Lambda takes no snapshot of a function with more. */
const SNAPSHOT_STORAGE_MB = 512;

const modelName = z.string({ error: 'a name of a model' }).refine(isModelName, { error: 'a name of a model' });
const origin = matching(/^(\*|https?:\/\/[^/\s]+)$/, "an origin like https://example.com, or '*'");

/** Every option of a deployment. docs/deployment.md explains each. */
export const OPTIONS = {
  memoryMb: integer(128, 10_240).default(1_769),
  timeoutSeconds: integer(1, MAX_TIMEOUT_SECONDS).default(MAX_TIMEOUT_SECONDS),
  ephemeralStorageMb: integer(512, 10_240).default(1_024),
  architecture: oneOf(['x86_64', 'arm64']).default('x86_64'),
  baseImage: matching(/^[\w.-]+(:\d+)?(\/[\w.-]+)*(:[\w.-]+)?(@sha256:[0-9a-f]{64})?$/, 'the name of an image').default(
    'public.ecr.aws/lambda/nodejs:24',
  ),
  modelRepository: oneOf(['s3', 'image']).default('s3'),
  preloadModels: listOf(modelName, 'a list of names of models').optional(),
  serverName: matching(/^\S(.{0,98}\S)?$/, 'a text of 1 to 100 characters').default('serverless-onnx'),
  defaultMaxBatchSize: integer(1, 100_000).default(4),
  maxBodyBytes: integer(1, 1_073_741_824).default(67_108_864),
  authentication: oneOf(['iam', 'api-key', 'cognito']).default('iam'),
  publicHealth: flag().default(false),
  throttleRatePerSecond: integer(1, 10_000).default(50),
  throttleBurst: integer(1, 5_000).default(100),
  apiKeyQuotaPerMonth: integer(1, 1_000_000_000).optional(),
  corsOrigins: listOf(origin, 'a list of origins').default([]),
  provisionedConcurrency: integer(0, 1_000).default(0),
  provisionedConcurrencyMax: integer(1, 1_000).optional(),
  reservedConcurrency: integer(1, 1_000).optional(),
  snapStart: flag().default(false),
  logRetentionDays: z
    .literal(
      [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653],
      {
        error: 'a number of days that CloudWatch Logs knows, like 7, 30 or 365',
      },
    )
    .default(30),
  alarmEmail: matching(/^[^@\s]+@[^@\s]+\.[^@\s]+$/, 'an e-mail address').optional(),
  monthlyBudgetUsd: integer(1, 1_000_000).optional(),
  webAclRequestsPer5Minutes: integer(10, 2_000_000_000).optional(),
  customDomainName: matching(/^([a-z0-9-]+\.)+[a-z]{2,}$/, 'a domain name in small letters').optional(),
  customDomainCertificateArn: matching(
    /^arn:[\w-]+:acm:[\w-]+:\d{12}:certificate\/[\w-]+$/,
    'the ARN of a certificate',
  ).optional(),
} satisfies { [option: string]: z.ZodType };

const SCHEMA = z.strictObject(OPTIONS).superRefine((config, context) => {
  const refuse = (option: keyof typeof OPTIONS, expected: string): void =>
    context.addIssue({ code: 'custom', path: [option], message: expected, input: config[option] });
  const { provisionedConcurrency: least, provisionedConcurrencyMax: most, reservedConcurrency: reserved } = config;
  if (most !== undefined && most <= least)
    refuse('provisionedConcurrencyMax', `more than provisionedConcurrency, ${least}`);
  if (reserved !== undefined && reserved < (most ?? least)) {
    refuse('reservedConcurrency', `at least the provisioned concurrency, ${most ?? least}`);
  }
  if (config.snapStart && (least > 0 || most !== undefined)) {
    refuse('snapStart', 'false, as Lambda has it or provisioned concurrency, not both');
  }
  if (config.snapStart && config.ephemeralStorageMb > SNAPSHOT_STORAGE_MB) {
    refuse('ephemeralStorageMb', `${SNAPSHOT_STORAGE_MB}, as snapStart is true and a snapshot holds no more`);
  }
  if (config.apiKeyQuotaPerMonth !== undefined && config.authentication !== 'api-key') {
    refuse('apiKeyQuotaPerMonth', `none, as authentication is ${config.authentication}`);
  }
  if ((config.customDomainName === undefined) !== (config.customDomainCertificateArn === undefined)) {
    const missing = config.customDomainName === undefined ? 'customDomainName' : 'customDomainCertificateArn';
    refuse(missing, 'both customDomainName and customDomainCertificateArn, or neither');
  }
});

export type DeploymentConfig = z.infer<typeof SCHEMA>;

/**
 * @param found the value of the context key
 * @throws WrongConfig with the first thing that is wrong
 */
export function readConfig(found: unknown): DeploymentConfig {
  const { error, data } = SCHEMA.safeParse(found ?? {}, { reportInput: true });
  const [issue] = error?.issues ?? [];
  if (issue === undefined) return data as DeploymentConfig;
  const path = [CONFIG_KEY, ...issue.path].join('.');
  if (issue.code === 'unrecognized_keys') {
    throw new WrongConfig(
      `cdk.json: ${path}.${issue.keys[0]} is unknown; expected one of ${Object.keys(OPTIONS).join(', ')}`,
    );
  }
  if (issue.path.length === 0)
    throw new WrongConfig(`cdk.json: ${path} is ${show(found)}; expected an object of options`);
  throw new WrongConfig(`cdk.json: ${path} is ${show(issue.input)}; expected ${issue.message}`);
}

/**
 * Holds the configuration against the models that it is to serve.
 * @throws WrongConfig
 */
export function checkFits(
  { modelRepository, ephemeralStorageMb }: DeploymentConfig,
  files: readonly ArtifactFile[],
): void {
  const largest = largestVersionMb(files);
  if (modelRepository === 's3' && largest > ephemeralStorageMb) {
    throw new WrongConfig(
      `cdk.json: ${CONFIG_KEY}.ephemeralStorageMb is ${ephemeralStorageMb}; expected at least ${largest}, ` +
        'the size of the largest model in model-artifacts',
    );
  }
  if (files.length > MAX_SEEDED_FILES) {
    throw new WrongConfig(
      `model-artifacts holds ${files.length} files; expected at most ${MAX_SEEDED_FILES}, as a deployment brings them: ` +
        'put further models into the bucket below models/ with aws s3 sync',
    );
  }
}

/**
 * The name of one of several deployments in an account: `-c deployment=NAME`.
 * @throws WrongConfig
 */
export function readDeploymentName(found: unknown): string | undefined {
  if (found === undefined) return undefined;
  if (typeof found === 'string' && /^[A-Za-z][A-Za-z0-9-]{0,39}$/.test(found)) return found;
  throw new WrongConfig(`deployment is ${show(found)}; expected a letter and up to 39 letters, digits and dashes`);
}

/** Who trains: SageMaker, or whoever reads the queue that the very same requests go to. */
export type Trainer = 'sagemaker' | 'callback';

/**
 * `-c trainer=callback`, for tests on a machine without SageMaker.
 * @throws WrongConfig
 */
export function readTrainer(found: unknown): Trainer {
  if (found === undefined || found === 'sagemaker' || found === 'callback') return found ?? 'sagemaker';
  throw new WrongConfig(`trainer is ${show(found)}; expected sagemaker or callback`);
}
