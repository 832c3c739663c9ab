import { Duration } from 'aws-cdk-lib';
import { type IMetric, Stats } from 'aws-cdk-lib/aws-cloudwatch';
import type { Topic } from 'aws-cdk-lib/aws-sns';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import type { StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { soundingAlarm } from './alarm.ts';

export type RetrainingAlarmsProps = {
  readonly topic: Topic;
  /** Uploads that did not reach the gatekeeper, or that it was never done with. */
  readonly unhandled: Queue;
  /** Calls of functions that failed three times, and runs that could not be started again. */
  readonly lost: Queue;
  /** Runs that wait for a redrive. */
  readonly failures: Queue;
  readonly stateMachines: { readonly [model: string]: StateMachine };
};

const PERIOD = Duration.minutes(5);

/** What goes wrong without anybody waiting for an answer. */
export class RetrainingAlarms extends Construct {
  constructor(scope: Construct, id: string, props: RetrainingAlarmsProps) {
    super(scope, id);
    const { topic, unhandled, lost, failures, stateMachines } = props;
    const queues: readonly (readonly [section: string, queue: Queue, sentence: string])[] = [
      ['UnhandledUploads', unhandled, 'Uploads did not reach the gatekeeper, or it failed on them, several times.'],
      ['LostCalls', lost, 'What finds uploads or concludes runs failed, several times.'],
      ['RunsToRedrive', failures, 'Runs failed, and wait to be started again.'],
    ];
    for (const [section, queue, sentence] of queues) {
      const metric = queue.metricApproximateNumberOfMessagesVisible({ period: PERIOD, statistic: Stats.MAXIMUM });
      soundingAlarm(this, section, topic, { section, sentence, metric, threshold: 1 });
    }
    const sum = { period: PERIOD, statistic: Stats.SUM };
    for (const [model, machine] of Object.entries(stateMachines)) {
      // One alarm on an expression of all three would cost the same, and would not say which.
      const ends: readonly (readonly [name: string, metric: IMetric, how: string])[] = [
        ['FailedRuns', machine.metricFailed(sum), 'failed'],
        ['LateRuns', machine.metricTimedOut(sum), 'took too long'],
        ['StoppedRuns', machine.metricAborted(sum), 'was stopped'],
      ];
      for (const [name, metric, how] of ends) {
        soundingAlarm(this, `${name}-${model}`, topic, {
          section: 'FailedRuns',
          sentence: `A run that trains ${model} ${how}.`,
          metric,
          threshold: 1,
        });
      }
    }
  }
}
