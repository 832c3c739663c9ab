import { describe, expect, test } from 'vitest';
import { deploymentWith, resourcesOf } from './deployments.ts';

const { serving } = deploymentWith();
const alarms = Object.values(resourcesOf(serving, 'AWS::CloudWatch::Alarm')).map(({ Properties }) => Properties);
const [worse, ...others] = alarms.filter(({ AlarmDescription }) => AlarmDescription.includes('section WorseCanary'));
const expression = worse.Metrics.find(({ Expression }: { Expression?: string }) => Expression !== undefined).Expression;

type Measured = { bad: number; share: number; liveShare?: number; ms: number; liveMs: number };

/** CloudWatch's own words, as JavaScript understands them. */
function isWorse(measured: Measured): number {
  const text = (expression as string).replaceAll(' AND ', ' && ');
  const { bad, share, liveShare, ms, liveMs } = measured;
  return Function(
    'IF',
    'FILL',
    'bad',
    'share',
    'liveShare',
    'ms',
    'liveMs',
    `return ${text}`,
  )(
    (condition: boolean, yes: number, no: number) => (condition ? yes : no),
    (value: number | undefined, instead: number) => value ?? instead,
    ...[bad, share, liveShare, ms, liveMs],
  ) as number;
}

describe('the alarm of a model’s canary', () => {
  test('is one for each model, invokes the function, and tells the topic', () => {
    expect(others).toEqual([]);
    const [id] = Object.entries(resourcesOf(serving, 'AWS::Lambda::Function')).find(
      ([, { Properties }]) => Properties.Handler === 'end-canary.handler',
    ) ?? [''];
    const [topic] = Object.keys(resourcesOf(serving, 'AWS::SNS::Topic'));
    expect(worse.AlarmActions).toEqual([{ 'Fn::GetAtt': [id, 'Arn'] }, { Ref: topic }]);
    expect(worse).toMatchObject({ Threshold: 1, TreatMissingData: 'notBreaching' });
  });

  test('looks at both sides of the trial, in this deployment', () => {
    const stats = worse.Metrics.flatMap(({ MetricStat }: { MetricStat?: { Metric: object; Stat: string } }) =>
      MetricStat === undefined ? [] : [MetricStat],
    );
    expect(stats).toHaveLength(5);
    for (const { Metric } of stats) {
      expect(Metric).toMatchObject({
        Namespace: 'ServerlessOnnxServing',
        Dimensions: [
          { Name: 'model', Value: 'digits' },
          { Name: 'variant', Value: expect.stringMatching(/^(live|canary)$/) },
        ],
      });
    }
  });

  test.each<[string, Measured, number]>([
    ['five failures of five', { bad: 5, share: 1, ms: 10, liveMs: 10 }, 1],
    ['four failures', { bad: 4, share: 1, ms: 10, liveMs: 10 }, 0],
    ['as many failures as the live version', { bad: 50, share: 0.2, liveShare: 0.2, ms: 10, liveMs: 10 }, 0],
    ['many more', { bad: 50, share: 0.3, liveShare: 0.2, ms: 10, liveMs: 10 }, 1],
    ['more than twice as slow', { bad: 0, share: 0, liveShare: 0, ms: 21, liveMs: 10 }, 1],
    ['a little slower', { bad: 0, share: 0, liveShare: 0, ms: 19, liveMs: 10 }, 0],
    ['nothing that anybody notices', { bad: 0, share: 0, liveShare: 0, ms: 1.2, liveMs: 0.4 }, 0],
  ])('%s', (_, measured, expected) => {
    expect(isWorse(measured)).toBe(expected);
  });
});

test('with models in the image there is no release that could change', () => {
  const { serving: baked } = deploymentWith({ modelRepository: 'image' });
  expect(JSON.stringify(baked.toJSON())).not.toContain('end-canary');
});
