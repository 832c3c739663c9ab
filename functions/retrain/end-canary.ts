// The Lambda function that the alarm of a canary invokes: it takes the canary out of release.json.

import { modelRepository } from '../adapters/model-repository.ts';
import { Publisher } from '../inference/publisher.ts';
import { ChangeRefused } from '../inference/release-changes.ts';
import { isModelName } from '../protocol/names.ts';

/**
 * The part of an alarm's event that is read.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions-Lambda.html
 */
export type AlarmEvent = {
  readonly time: string;
  readonly alarmData: {
    readonly state: { readonly reason: string };
    readonly configuration: {
      readonly metrics: readonly {
        readonly metricStat?: { readonly metric: { readonly dimensions: { readonly [name: string]: string } } };
      }[];
    };
  };
};

/** @throws Error for an event that names no model: the function's dead-letter topic gets it */
export async function handler({ time, alarmData }: AlarmEvent): Promise<void> {
  const dimensions = alarmData.configuration.metrics.map(({ metricStat }) => metricStat?.metric.dimensions.model);
  const model = dimensions.find((name) => name !== undefined && isModelName(name));
  const repository = modelRepository(process.env.MODEL_REPOSITORY ?? '', { folder: '/tmp/models', share: 1 });
  if (model === undefined || repository === undefined) throw new Error('the event or the environment names no model');
  const reason = `alarm: ${alarmData.state.reason}`;
  const publisher = new Publisher(repository, () => ({ at: new Date().toISOString(), by: 'CloudWatch', reason }));
  try {
    const { live } = await publisher.endCanary(model);
    console.log(JSON.stringify({ msg: 'ended the canary', model, live, time }));
  } catch (error) {
    // Somebody was faster: that is what was wanted.
    if (!(error instanceof ChangeRefused)) throw error;
    console.log(JSON.stringify({ msg: 'nothing to do', model, reason: error.message, time }));
  }
}
