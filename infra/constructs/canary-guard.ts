import { Duration } from 'aws-cdk-lib';
import { Metric, Stats } from 'aws-cdk-lib/aws-cloudwatch';
import { LambdaAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import type { Topic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { soundingAlarm } from './alarm.ts';
import { allowListing, allowObjects } from './bucket-access.ts';
import { bundledFunction } from './bundled-function.ts';

export type CanaryGuardProps = {
  readonly repository: Bucket;
  readonly models: readonly string[];
  readonly metricsNamespace: string;
  readonly topic: Topic;
  readonly logRetentionDays: number;
};

/** Ends a canary that is worse than the live version: an alarm for each model, and the function that it invokes. */
export class CanaryGuard extends Construct {
  constructor(scope: Construct, id: string, props: CanaryGuardProps) {
    super(scope, id);
    const { repository, models, metricsNamespace, topic } = props;
    const { lambda: ender, role } = bundledFunction(this, {
      description: 'Takes a canary out of release.json',
      entry: 'functions/retrain/end-canary.ts',
      timeout: Duration.minutes(1),
      logRetentionDays: props.logRetentionDays,
      deadLetterTopic: topic,
      environment: { MODEL_REPOSITORY: `s3://${repository.bucketName}/models` },
    });
    allowObjects(role, ['s3:GetObject'], repository, 'models/*');
    allowObjects(role, ['s3:PutObject'], repository, 'models/*/release.json');
    allowListing(role, repository, ['models/']);
    for (const model of models) {
      const alarm = soundingAlarm(this, `Worse-${model}`, topic, {
        section: 'WorseCanary',
        sentence: `The canary of ${model} was worse than its live version, and was ended.`,
        // What an execution environment has found: functions/inference/canary-watch.ts. Nothing is measured unless one is tried.
        metric: new Metric({
          namespace: metricsNamespace,
          metricName: 'CanaryEnded',
          dimensionsMap: { model, variant: 'canary' },
          statistic: Stats.SUM,
          period: Duration.minutes(1),
        }),
        threshold: 1,
      });
      alarm.addAlarmAction(new LambdaAction(ender));
    }
  }
}
