import { Annotations, Duration, Size } from 'aws-cdk-lib';
import type { Role } from 'aws-cdk-lib/aws-iam';
import { Alias, DockerImageFunction, SnapStartConf, Tracing } from 'aws-cdk-lib/aws-lambda';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { lambdaVariables } from '../../functions/serve/lambda-env.ts';
import type { DeploymentConfig } from '../config.ts';
import { acknowledgeNameless } from './acknowledged.ts';
import { allowBelow, allowListing } from './bucket-access.ts';
import { functionRole } from './function-role.ts';
import type { ServingCode } from './serving-code.ts';

export type InferenceFunctionProps = {
  readonly image: ServingCode;
  readonly config: DeploymentConfig;
  readonly repository: Bucket;
  readonly preloadModels: readonly string[];
  readonly metricsNamespace: string;
};

/** The function that serves the models, behind an alias that always means its newest version. */
export class InferenceFunction extends Construct {
  readonly alias: Alias;

  constructor(
    scope: Construct,
    id: string,
    { image, config, repository, preloadModels, metricsNamespace }: InferenceFunctionProps,
  ) {
    super(scope, id);
    const isBaked = config.modelRepository === 'image';
    const { role, logGroup } = functionRole(this, config.logRetentionDays);
    const inference = new DockerImageFunction(this, 'Function', {
      description: 'Answers the Open Inference Protocol with ONNX Runtime',
      code: image.code(),
      architecture: image.architecture,
      memorySize: config.memoryMb,
      timeout: Duration.seconds(config.timeoutSeconds),
      ephemeralStorageSize: Size.mebibytes(config.ephemeralStorageMb),
      tracing: Tracing.ACTIVE,
      ...(config.snapStart ? { snapStart: SnapStartConf.ON_PUBLISHED_VERSIONS } : {}),
      role,
      logGroup,
      ...(config.reservedConcurrency === undefined ? {} : { reservedConcurrentExecutions: config.reservedConcurrency }),
      environment: lambdaVariables({
        modelRepository: isBaked ? '/var/task/models' : `s3://${repository.bucketName}/models`,
        preloadModels,
        serverName: config.serverName,
        defaultMaxBatchSize: config.defaultMaxBatchSize,
        maxBodyBytes: config.maxBodyBytes,
        requestTimeoutMs: config.timeoutSeconds * 1000 - ANSWER_MS,
        corsOrigins: config.corsOrigins,
        metricsNamespace,
      }),
    });
    // It is: the alias stands on a version that each deployment publishes.
    if (config.snapStart) Annotations.of(inference).acknowledgeWarning('@aws-cdk/aws-lambda:snapStartRequirePublish');
    if (!isBaked) allowReading(role, repository);
    acknowledgeNameless(role);
    this.alias = new Alias(this, 'Live', {
      aliasName: 'live',
      version: inference.currentVersion,
      ...(config.provisionedConcurrency === 0
        ? {}
        : { provisionedConcurrentExecutions: config.provisionedConcurrency }),
    });
    if (config.provisionedConcurrencyMax !== undefined) {
      const minCapacity = Math.max(1, config.provisionedConcurrency);
      this.alias
        .addAutoScaling({ minCapacity, maxCapacity: config.provisionedConcurrencyMax })
        .scaleOnUtilization({ utilizationTarget: TARGET_UTILIZATION });
    }
  }
}

/** What an answer needs to get out before the function's timeout. */
const ANSWER_MS = 500;

/** Of the provisioned environments, the part that is busy before more are provisioned. */
const TARGET_UTILIZATION = 0.7;

/** What reading a repository takes. */
function allowReading(role: Role, repository: Bucket): void {
  allowBelow(role, ['s3:GetObject'], repository, 'models/');
  allowListing(role, repository, ['models/']);
}
