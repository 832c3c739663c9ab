import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { deploymentWith, inferenceFunction, propertiesOf, resourcesOf, retrainingWith } from './deployments.ts';

const { serving } = deploymentWith({ timeoutSeconds: 10, memoryMb: 1024, architecture: 'arm64' });
const alarms = Object.values(resourcesOf(serving, 'AWS::CloudWatch::Alarm')).map(({ Properties }) => Properties);
const retraining = retrainingWith();
const allAlarms = [serving, retraining].flatMap((template) =>
  Object.values(resourcesOf(template, 'AWS::CloudWatch::Alarm')).map(({ Properties }) => ({ template, ...Properties })),
);
const sectionOf = ({ AlarmDescription }: { AlarmDescription: string }): string | undefined =>
  /docs\/runbook\.md, section (\w+)\.$/.exec(AlarmDescription)?.[1];

describe('every alarm', () => {
  test('tells the one topic of its stack, and is silent where nothing happens', () => {
    for (const { template, AlarmActions, TreatMissingData } of allAlarms) {
      const [topic] = Object.keys(resourcesOf(template, 'AWS::SNS::Topic'));
      expect(AlarmActions).toContainEqual({ Ref: topic });
      expect(TreatMissingData).toBe('notBreaching');
    }
  });

  test('has a sentence, and a section of the runbook; every section has its alarm', () => {
    const runbook = readFileSync(join(import.meta.dirname, '../../docs/runbook.md'), 'utf8');
    const alarmSections = runbook.split(/^## /m).find((section) => section.startsWith('Alarms\n')) ?? '';
    const sections = [...alarmSections.matchAll(/^### (\w+)$/gm)].map(([, name]) => name);
    expect([...new Set(allAlarms.map(sectionOf))].sort()).toEqual(sections.sort());
    expect(sections.length).toBeGreaterThan(7);
  });

  test.each([
    ['ServerErrors', '5XXError', 0.01, { Statistic: 'Average' }],
    ['SlowAnswers', 'Latency', 8_000, { ExtendedStatistic: 'p99' }],
    ['Throttles', 'Throttles', 1, { Statistic: 'Sum' }],
    ['ModelLoadFailures', 'ModelLoadFailure', 1, { Statistic: 'Sum' }],
  ])('%s looks at %s', (section, MetricName, Threshold, statistic) => {
    const alarm = alarms.find((candidate) => sectionOf(candidate) === section);
    expect(alarm).toMatchObject({
      MetricName,
      Threshold,
      Period: 300,
      EvaluationPeriods: 1,
      ComparisonOperator: 'GreaterThanOrEqualToThreshold',
      ...statistic,
    });
  });
});

describe('the alarms of retraining', () => {
  const named = (section: string) => allAlarms.find((alarm) => sectionOf(alarm) === section);

  test.each([
    ['UnhandledUploads', 'UploadsUnhandledQueue'],
    ['LostCalls', 'LostQueue'],
    ['RunsToRedrive', 'FailuresQueue'],
  ])('%s looks at the messages of %s', (section, queue) => {
    expect(named(section)).toMatchObject({
      MetricName: 'ApproximateNumberOfMessagesVisible',
      Statistic: 'Maximum',
      Threshold: 1,
      Dimensions: [{ Name: 'QueueName', Value: { 'Fn::GetAtt': [expect.stringMatching(`^${queue}`), 'QueueName'] } }],
    });
  });

  test('every queue that nobody reads by itself has one', () => {
    const read = /^Uploads(Files|Manifests)Queue/;
    const queues = Object.keys(resourcesOf(retraining, 'AWS::SQS::Queue')).filter((id) => !read.test(id));
    const watched = allAlarms.flatMap(({ Dimensions = [] }) =>
      Dimensions.flatMap(({ Value }: { Value: { 'Fn::GetAtt'?: [string] } }) => Value['Fn::GetAtt']?.[0] ?? []),
    );
    expect(watched).toEqual(expect.arrayContaining(queues));
  });

  test.each([
    ['FailedRuns', 'ExecutionsFailed'],
    ['LateRuns', 'ExecutionsTimedOut'],
  ])('%s counts %s', (section, MetricName) => {
    const [machine] = Object.keys(resourcesOf(retraining, 'AWS::StepFunctions::StateMachine'));
    expect(named(section)).toMatchObject({
      Namespace: 'AWS/States',
      MetricName,
      Statistic: 'Sum',
      Threshold: 1,
      Dimensions: [{ Name: 'StateMachineArn', Value: { Ref: machine } }],
    });
  });
});

test('the load failures are those of this deployment', () => {
  const { serving: other } = deploymentWith({}, 'staging');
  const namespaces = (template: typeof serving) =>
    Object.values(resourcesOf(template, 'AWS::CloudWatch::Alarm')).flatMap(({ Properties }) =>
      Properties.MetricName === 'ModelLoadFailure' ? [Properties.Namespace] : [],
    );
  expect([...namespaces(serving), ...namespaces(other)]).toEqual([
    'ServerlessOnnxServing',
    'ServerlessOnnxServing-staging',
  ]);
  for (const template of [serving, other]) {
    const inference = inferenceFunction(template);
    expect([inference.Environment.Variables.METRICS_NAMESPACE]).toEqual(namespaces(template));
  }
});

test.each([
  ['serving', serving],
  ['retraining', retraining],
])('the topic of %s lets alarms of the account in, as its policy replaces the one that would', (_, template) => {
  const { PolicyDocument } = propertiesOf(template, 'AWS::SNS::TopicPolicy');
  const [topic] = Object.keys(resourcesOf(template, 'AWS::SNS::Topic'));
  const allowed = PolicyDocument.Statement.filter(({ Effect }: { Effect: string }) => Effect === 'Allow');
  expect(allowed).toEqual([
    expect.objectContaining({
      Action: 'sns:Publish',
      Principal: { Service: 'cloudwatch.amazonaws.com' },
      Resource: { Ref: topic },
      Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } },
    }),
  ]);
});

test('only HTTPS publishes to the topic, and an address in the configuration is subscribed', () => {
  expect(JSON.stringify(resourcesOf(serving, 'AWS::SNS::TopicPolicy'))).toContain('"aws:SecureTransport":"false"');
  serving.resourceCountIs('AWS::SNS::Subscription', 0);
  const { serving: withEmail } = deploymentWith({ alarmEmail: 'someone@example.com' });
  const subscription = propertiesOf(withEmail, 'AWS::SNS::Subscription');
  expect(subscription).toMatchObject({ Protocol: 'email', Endpoint: 'someone@example.com' });
});

test('the dashboard shows traffic, latency, cold starts, errors, versions and cost', () => {
  const dashboard = propertiesOf(serving, 'AWS::CloudWatch::Dashboard');
  const [, parts] = dashboard.DashboardBody['Fn::Join'] as [string, unknown[]];
  const body = JSON.parse(parts.map((part) => (typeof part === 'string' ? part : 'reference')).join(''));
  const titles = body.widgets.map((widget: { properties: { title?: string } }) => widget.properties.title);
  expect(titles.slice(1)).toEqual([
    'Traffic',
    'Latency by phase',
    'Inference by version',
    'Cold starts by phase',
    'Cold starts',
    'Errors',
    'Versions served',
    'Cost estimate',
  ]);
  const cost = body.widgets.at(-1).properties.metrics[0][0].expression as string;
  // A million requests of 100 ms with 1 GB on arm64, in USD: 3.50 + 0.20 + 1.33.
  const usd = Function('requests', 'invocations', 'ms', `return ${cost}`)(1e6, 1e6, 1e8) as number;
  expect(usd).toBeCloseTo(5.03, 2);
});
