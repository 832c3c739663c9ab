import { Duration, Size } from 'aws-cdk-lib';
import { DockerImageFunction, Tracing } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { placeVariables } from '../../functions/retrain/env.ts';
import type { DeploymentConfig } from '../config.ts';
import { acknowledgeNameless } from './acknowledged.ts';
import { allowBelow, allowListing } from './bucket-access.ts';
import { functionRole } from './function-role.ts';
import { placesIn, type RetrainingBuckets } from './retraining-places.ts';
import type { ServingCode } from './serving-code.ts';

export type JudgeProps = {
  readonly config: DeploymentConfig;
  readonly image: ServingCode;
  readonly buckets: RetrainingBuckets;
};

/** Holds a new model against the one that serves, in the image, with the memory and on the processor that would serve it. */
export class Judge extends Construct {
  readonly lambda: DockerImageFunction;

  constructor(scope: Construct, id: string, { config, image, buckets }: JudgeProps) {
    super(scope, id);
    const { artifacts } = buckets;
    const { role, logGroup } = functionRole(this, config.logRetentionDays);
    this.lambda = new DockerImageFunction(this, 'Function', {
      description: 'Decides whether a new model is better than the one that serves',
      code: image.code('judge.handler'),
      architecture: image.architecture,
      memorySize: config.memoryMb,
      ephemeralStorageSize: Size.mebibytes(config.ephemeralStorageMb),
      timeout: Duration.minutes(15),
      tracing: Tracing.ACTIVE,
      role,
      logGroup,
      environment: placeVariables(placesIn(buckets)),
    });
    acknowledgeNameless(role);
    allowBelow(role, ['s3:GetObject'], artifacts, 'models/');
    allowBelow(role, ['s3:GetObject'], artifacts, 'staging/');
    // Where no training job may write.
    allowBelow(role, ['s3:GetObject', 's3:PutObject'], artifacts, 'control/decisions/');
    allowListing(role, artifacts, ['models/', 'staging/', 'control/decisions/']);
  }
}
