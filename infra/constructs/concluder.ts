import { Duration } from 'aws-cdk-lib';
import { Rule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction as LambdaTarget } from 'aws-cdk-lib/aws-events-targets';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { placeVariables, type Reach, reachVariables } from '../../functions/retrain/env.ts';
import { allowBelow, allowListing } from './bucket-access.ts';
import { bundledFunction } from './bundled-function.ts';
import { CONTROL, placesIn, type RetrainingBuckets } from './retraining-places.ts';
import { allowStarting } from './retraining-reach.ts';

export type ConcluderProps = {
  readonly buckets: RetrainingBuckets;
  readonly reach: Reach;
  readonly logRetentionDays: number;
  /** Where calls go that failed three times. */
  readonly lost: Queue;
};

/**
 * Writes down how an execution has ended, tells people, and starts what has waited for it. The state machines call it; for
 * an execution that failed, timed out or was stopped before it could, the end of the execution does.
 */
export class Concluder extends Construct {
  readonly lambda: LambdaFunction;

  constructor(scope: Construct, id: string, { buckets, reach, logRetentionDays, lost }: ConcluderProps) {
    super(scope, id);
    const { artifacts } = buckets;
    const { lambda, role } = bundledFunction(this, {
      description: 'Writes down how a training has ended, and tells people',
      entry: 'functions/retrain/lambda/conclude.ts',
      timeout: Duration.minutes(2),
      logRetentionDays,
      deadLetterQueue: lost,
      environment: { ...placeVariables(placesIn(buckets)), ...reachVariables(reach) },
    });
    this.lambda = lambda;
    // What is started next is held against its model's training.json.
    allowBelow(role, ['s3:GetObject'], artifacts, 'models/');
    for (const prefix of CONTROL) allowBelow(role, ['s3:GetObject', 's3:PutObject'], artifacts, prefix);
    allowListing(role, artifacts, ['models/', ...CONTROL]);
    allowStarting(role, reach);
    new Rule(this, 'Ended', {
      description: 'Executions that ended without concluding',
      eventPattern: {
        source: ['aws.states'],
        detailType: ['Step Functions Execution Status Change'],
        detail: {
          status: ['FAILED', 'TIMED_OUT', 'ABORTED'],
          stateMachineArn: Object.values(reach.stateMachines),
        },
      },
      targets: [new LambdaTarget(lambda, { deadLetterQueue: lost })],
    });
  }
}
