import { Alarm, ComparisonOperator, type IMetric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { Topic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';

/** What is watched. The sentence is the alarm's description. */
export type Watch = {
  /** docs/runbook.md has a section under it. */
  readonly section: string;
  readonly sentence: string;
  readonly metric: IMetric;
  /** From which on it sounds. */
  readonly threshold: number;
};

/** An alarm that tells a topic. */
export function soundingAlarm(scope: Construct, id: string, topic: Topic, watch: Watch): Alarm {
  const alarm = new Alarm(scope, id, {
    alarmDescription: `${watch.sentence} What to do: docs/runbook.md, section ${watch.section}.`,
    metric: watch.metric,
    threshold: watch.threshold,
    evaluationPeriods: 1,
    comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    // Where nothing happens there is nothing to measure, and nothing wrong.
    treatMissingData: TreatMissingData.NOT_BREACHING,
  });
  alarm.addAlarmAction(new SnsAction(topic));
  return alarm;
}
