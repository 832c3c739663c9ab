import { Duration, Size } from 'aws-cdk-lib';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { placeVariables } from '../../functions/retrain/env.ts';
import type { DeploymentConfig } from '../config.ts';
import { allowBelow, allowListing, allowObjects } from './bucket-access.ts';
import { bundledFunction } from './bundled-function.ts';
import { placesIn, type RetrainingBuckets } from './retraining-places.ts';

/** Publishes a model that was found better: no other function may write models. */
export class Promoter extends Construct {
  readonly lambda: LambdaFunction;

  constructor(
    scope: Construct,
    id: string,
    { config, buckets }: { readonly config: DeploymentConfig; readonly buckets: RetrainingBuckets },
  ) {
    super(scope, id);
    const { artifacts } = buckets;
    const { lambda, role } = bundledFunction(this, {
      description: 'Publishes a better model as the next version, and makes it live',
      entry: 'functions/retrain/lambda/promote.ts',
      timeout: Duration.minutes(15),
      logRetentionDays: config.logRetentionDays,
      // A model passes through: one that fits there fits here.
      ephemeralStorageSize: Size.mebibytes(config.ephemeralStorageMb),
      environment: placeVariables(placesIn(buckets)),
    });
    this.lambda = lambda;
    allowBelow(role, ['s3:GetObject', 's3:PutObject'], artifacts, 'models/');
    allowBelow(role, ['s3:GetObject'], artifacts, 'staging/');
    allowObjects(role, ['s3:GetObject'], artifacts, 'snapshots/*/manifest.json');
    allowBelow(role, ['s3:GetObject'], artifacts, 'control/decisions/');
    allowListing(role, artifacts, ['models/', 'staging/', 'snapshots/', 'control/decisions/']);
  }
}
