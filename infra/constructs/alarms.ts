import { Duration, Validations } from 'aws-cdk-lib';
import { Alarm, ComparisonOperator, type IMetric, Metric, Stats, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';
import type { Watched } from './watched.ts';

/** What is watched. The sentence is the alarm's description; docs/runbook.md has a section under each name. */
type Watch = {
  readonly name: string;
  readonly sentence: string;
  readonly metric: IMetric;
  readonly threshold: number;
};

const PERIOD = Duration.minutes(5);
/** Of the function's timeout, the part that 99 of 100 requests should stay below. */
const SLOW = 0.8;

/** The alarms of a deployment, all to one topic. */
export class ServingAlarms extends Construct {
  readonly topic: Topic;

  constructor(scope: Construct, id: string, { config, api, alias, metricsNamespace }: Watched) {
    super(scope, id);
    this.topic = new Topic(this, 'Topic', { displayName: 'serverless-onnx', enforceSSL: true });
    if (config.alarmEmail !== undefined) this.topic.addSubscription(new EmailSubscription(config.alarmEmail));
    Validations.of(this.topic).acknowledge({
      id: 'Serverless-SNSRedrivePolicy',
      reason: 'SNS repeats an e-mail for hours, and the alarm itself stays to be seen.',
    });
    const slowMs = SLOW * config.timeoutSeconds * 1000;
    const watches: readonly Watch[] = [
      {
        name: 'ServerErrors',
        sentence: 'At least one request in a hundred was answered 5xx for 5 minutes.',
        metric: api.metricServerError({ period: PERIOD, statistic: Stats.AVERAGE }),
        threshold: 0.01,
      },
      {
        name: 'SlowAnswers',
        sentence: `One request in a hundred took longer than ${slowMs / 1000} s, close to the timeout of ${config.timeoutSeconds} s.`,
        metric: api.metricLatency({ period: PERIOD, statistic: Stats.percentile(99) }),
        threshold: slowMs,
      },
      {
        name: 'Throttles',
        sentence: 'Lambda refused requests, as no further execution environment was allowed.',
        metric: alias.metricThrottles({ period: PERIOD, statistic: Stats.SUM }),
        threshold: 1,
      },
      {
        name: 'ModelLoadFailures',
        sentence: 'A model of the repository did not load; an older version of it serves, where there is one.',
        metric: new Metric({
          namespace: metricsNamespace,
          metricName: 'ModelLoadFailure',
          period: PERIOD,
          statistic: Stats.SUM,
        }),
        threshold: 1,
      },
    ];
    for (const { name, sentence, metric, threshold } of watches) {
      const alarm = new Alarm(this, name, {
        alarmDescription: `${sentence} What to do: docs/runbook.md, section ${name}.`,
        metric,
        threshold,
        evaluationPeriods: 1,
        comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        // Without requests there is nothing to measure, and nothing wrong.
        treatMissingData: TreatMissingData.NOT_BREACHING,
      });
      alarm.addAlarmAction(new SnsAction(this.topic));
    }
  }
}
