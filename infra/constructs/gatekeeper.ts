import { Duration, Validations } from 'aws-cdk-lib';
import type { Role } from 'aws-cdk-lib/aws-iam';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { placeVariables, type Reach, reachVariables } from '../../functions/retrain/env.ts';
import { allowBelow, allowListing, allowObjects } from './bucket-access.ts';
import { bundledFunction } from './bundled-function.ts';
import { CONTROL, placesIn, type RetrainingBuckets } from './retraining-places.ts';
import { allowLooking, allowStarting } from './retraining-reach.ts';

export type GatekeeperProps = {
  readonly buckets: RetrainingBuckets;
  readonly reach: Reach;
  readonly logRetentionDays: number;
};

/** To read and copy the largest upload; as long as Lambda allows. */
export const GATEKEEPER_TIMEOUT = Duration.minutes(15);
/** One vCPU: it decodes every image. */
const MEMORY_MB = 1_769;

/** Decides about uploads: called for messages of queues. */
export class Gatekeeper extends Construct {
  constructor(scope: Construct, id: string, props: GatekeeperProps & { readonly queues: readonly Queue[] }) {
    super(scope, id);
    const { lambda, role } = gatekeeping(this, props, {
      description: 'Checks an upload, and starts training on it',
      entry: 'functions/retrain/lambda/gatekeeper.ts',
    });
    for (const queue of props.queues) {
      lambda.addEventSource(
        new SqsEventSource(queue, {
          // An upload is many files: it is looked at once for all of their messages.
          batchSize: 1_000,
          maxBatchingWindow: Duration.seconds(5),
          maxConcurrency: 2,
          reportBatchItemFailures: true,
        }),
      );
    }
    Validations.of(lambda).acknowledge({
      id: 'Serverless-LambdaEventSourceMappingDestination',
      reason: 'Lambda takes such a destination for streams; a queue has its own, where messages end.',
    });
    allowStarting(role, props.reach);
  }
}

/** Finds what no event told of: called every hour. */
export class Reconciler extends Construct {
  readonly lambda: LambdaFunction;

  /** @param lost where calls go that failed three times */
  constructor(scope: Construct, id: string, props: GatekeeperProps & { readonly lost: Queue }) {
    super(scope, id);
    const { lambda, role } = gatekeeping(this, props, {
      description: 'Finds uploads without an event, and executions that ended without a word',
      entry: 'functions/retrain/lambda/reconcile.ts',
      deadLetterQueue: props.lost,
    });
    this.lambda = lambda;
    allowStarting(role, props.reach);
    allowLooking(role, props.reach);
  }
}

function gatekeeping(
  scope: Construct,
  { buckets, reach, logRetentionDays }: GatekeeperProps,
  own: { readonly description: string; readonly entry: string; readonly deadLetterQueue?: Queue },
): { lambda: LambdaFunction; role: Role } {
  const made = bundledFunction(scope, {
    ...own,
    timeout: GATEKEEPER_TIMEOUT,
    memorySize: MEMORY_MB,
    logRetentionDays,
    environment: { ...placeVariables(placesIn(buckets)), ...reachVariables(reach) },
  });
  const { artifacts, datasets } = buckets;
  // A version that was listed is read and copied, whatever has come since.
  allowBelow(made.role, ['s3:GetObject', 's3:GetObjectVersion'], datasets, 'datasets/');
  allowListing(made.role, datasets, ['datasets/']);
  allowListing(made.role, datasets, ['datasets/'], 's3:ListBucketVersions');
  allowBelow(made.role, ['s3:GetObject'], artifacts, 'models/');
  allowBelow(made.role, ['s3:GetObject', 's3:PutObject'], artifacts, 'snapshots/');
  for (const prefix of CONTROL) allowBelow(made.role, ['s3:GetObject', 's3:PutObject'], artifacts, prefix);
  // A model's held-out set is made with its first upload.
  allowObjects(made.role, ['s3:PutObject'], artifacts, 'models/*/evaluation.tar');
  allowListing(made.role, artifacts, ['models/', 'snapshots/', ...CONTROL]);
  return made;
}
