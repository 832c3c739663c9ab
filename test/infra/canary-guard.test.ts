import { describe, expect, test } from 'vitest';
import { EmbeddedMetrics } from '../../functions/adapters/emf.ts';
import { deploymentWith, resourcesOf } from './deployments.ts';

const { serving } = deploymentWith();
const alarms = Object.values(resourcesOf(serving, 'AWS::CloudWatch::Alarm')).map(({ Properties }) => Properties);
const [worse, ...others] = alarms.filter(({ AlarmDescription }) => AlarmDescription.includes('section WorseCanary'));

describe('the alarm of a model’s canary', () => {
  test('is one for each model, invokes the function, and tells the topic', () => {
    expect(others).toEqual([]);
    const [id] = Object.entries(resourcesOf(serving, 'AWS::Lambda::Function')).find(
      ([, { Properties }]) => Properties.Handler === 'end-canary.handler',
    ) ?? [''];
    const [topic] = Object.keys(resourcesOf(serving, 'AWS::SNS::Topic'));
    expect(worse.AlarmActions).toEqual([{ Ref: topic }, { 'Fn::GetAtt': [id, 'Arn'] }]);
    expect(worse).toMatchObject({ Threshold: 1, TreatMissingData: 'notBreaching' });
  });

  test('looks at what environments of this deployment have found', () => {
    expect(worse).toMatchObject({
      Namespace: 'ServerlessOnnxServing',
      MetricName: 'CanaryEnded',
      Statistic: 'Sum',
      Dimensions: [
        { Name: 'model', Value: 'digits' },
        { Name: 'variant', Value: 'canary' },
      ],
    });
    const lines: string[] = [];
    new EmbeddedMetrics('ServerlessOnnxServing', (line) => lines.push(line)).canaryEnded('digits');
    const [{ Dimensions, Metrics }] = JSON.parse(lines[0] ?? '')._aws.CloudWatchMetrics;
    expect([Dimensions, Metrics]).toEqual([[['model', 'variant']], [{ Name: 'CanaryEnded', Unit: 'Count' }]]);
  });
});

test('with models in the image there is no release that could change', () => {
  const { serving: baked } = deploymentWith({ modelRepository: 'image' });
  expect(JSON.stringify(baked.toJSON())).not.toContain('end-canary');
});
