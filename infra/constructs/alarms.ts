import { Duration } from 'aws-cdk-lib';
import { Metric, Stats } from 'aws-cdk-lib/aws-cloudwatch';
import type { Topic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { soundingAlarm, type Watch } from './alarm.ts';
import { topicForPeople } from './topic.ts';
import type { Watched } from './watched.ts';

const PERIOD = Duration.minutes(5);
/** Of the function's timeout, the part that 99 of 100 requests should stay below. */
const SLOW = 0.8;

/** The alarms of a deployment, all to one topic. */
export class ServingAlarms extends Construct {
  readonly topic: Topic;

  constructor(scope: Construct, id: string, { config, api, alias, metricsNamespace }: Watched) {
    super(scope, id);
    this.topic = topicForPeople(this, 'serverless-onnx', config);
    const slowMs = SLOW * config.timeoutSeconds * 1000;
    const watches: readonly Watch[] = [
      {
        section: 'ServerErrors',
        sentence: 'At least one request in a hundred was answered 5xx for 5 minutes.',
        metric: api.metricServerError({ period: PERIOD, statistic: Stats.AVERAGE }),
        threshold: 0.01,
      },
      {
        section: 'SlowAnswers',
        sentence: `One request in a hundred took longer than ${slowMs / 1000} s, close to the timeout of ${config.timeoutSeconds} s.`,
        metric: api.metricLatency({ period: PERIOD, statistic: Stats.percentile(99) }),
        threshold: slowMs,
      },
      {
        section: 'Throttles',
        sentence: 'Lambda refused requests, as no further execution environment was allowed.',
        metric: alias.metricThrottles({ period: PERIOD, statistic: Stats.SUM }),
        threshold: 1,
      },
      {
        section: 'ModelLoadFailures',
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
    for (const watch of watches) soundingAlarm(this, watch.section, this.topic, watch);
  }
}
