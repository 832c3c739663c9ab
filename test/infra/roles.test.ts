import { describe, expect, test } from 'vitest';
import type { DeploymentConfig } from '../../infra/config.ts';
import { modelArtifacts } from '../../infra/model-artifacts.ts';
import { deploymentWith, type Resource, resourcesOf } from './deployments.ts';
import { flat, rightsOf } from './rights.ts';

/** It may write one file of each model, which says what is live. */
const CanaryGuardRole = [
  'logs:CreateLogStream on <CanaryGuardLogs>',
  'logs:PutLogEvents on <CanaryGuardLogs>',
  's3:GetObject on <Repository>/models/*',
  's3:ListBucket on <Repository> if {"StringLike":{"s3:prefix":"models/*"}}',
  's3:PutObject on <Repository>/models/*/release.json',
  'sns:Publish on <AlarmsTopic>',
];
const inferenceLog = ['logs:CreateLogStream on <InferenceLogs>', 'logs:PutLogEvents on <InferenceLogs>'];
const tracing = ['xray:PutTelemetryRecords on *', 'xray:PutTraceSegments on *'];
/** API Gateway's own, for the logs of all APIs of the account. */
const RestApiCloudWatchRole = [
  'managed arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs',
];

test('the function that seeds the repository reads its own assets, and reads and adds models', () => {
  const { SeedRole = [], ...others } = rightsOf(deploymentWith().models);
  expect(others).toEqual({});
  const assets = SeedRole.filter((right) => right.includes('cdk-hnb659fds-assets'));
  expect(assets).toHaveLength(modelArtifacts().length);
  for (const right of assets) {
    expect(right).toMatch(/^s3:GetObject on arn:.*:s3:::cdk-hnb659fds-assets-[^/]+\/[0-9a-f]{64}\.\w+$/);
  }
  expect(SeedRole.filter((right) => !assets.includes(right))).toEqual([
    'logs:CreateLogStream on <SeedLogs>',
    'logs:PutLogEvents on <SeedLogs>',
    's3:GetObject on <Repository>/models/*',
    's3:ListBucket on <Repository>',
    's3:PutObject on <Repository>/models/*',
  ]);
});

describe('the service', () => {
  test('reads models, and writes nothing but its log and its traces', () => {
    expect(rightsOf(deploymentWith().serving)).toEqual({
      RestApiCloudWatchRole,
      CanaryGuardRole,
      InferenceRole: [
        ...inferenceLog,
        's3:GetObject on <Repository>/models/*',
        's3:ListBucket on <Repository> if {"StringLike":{"s3:prefix":"models/*"}}',
        ...tracing,
      ],
    });
  });

  test.each<Partial<DeploymentConfig>>([{ modelRepository: 'image' }])('%j: has no right on a bucket', (options) => {
    expect(rightsOf(deploymentWith(options).serving)).toEqual({
      RestApiCloudWatchRole,
      InferenceRole: [...inferenceLog, ...tracing],
    });
  });

  test.each<Partial<DeploymentConfig>>([
    { authentication: 'cognito' },
    { authentication: 'api-key', alarmEmail: 'someone@example.com', monthlyBudgetUsd: 5 },
    { provisionedConcurrency: 1, provisionedConcurrencyMax: 2, webAclRequestsPer5Minutes: 100 },
  ])('%j: has no further role', (options) => {
    const roles = Object.keys(rightsOf(deploymentWith(options).serving));
    expect(roles.sort()).toEqual(['CanaryGuardRole', 'InferenceRole', 'RestApiCloudWatchRole']);
  });

  test('only this API may call the function, and only alarms the one that ends a canary', () => {
    const all = Object.values(resourcesOf(deploymentWith().serving, 'AWS::Lambda::Permission'));
    const isAlarm = ({ Properties }: Resource) => Properties.Principal === 'lambda.alarms.cloudwatch.amazonaws.com';
    expect(all.filter(isAlarm).map(({ Properties }) => flat(Properties.SourceArn))).toEqual([
      expect.stringContaining('CanaryGuardWorsedigits'),
    ]);
    const permissions = all.filter((permission) => !isAlarm(permission));
    expect(permissions).toHaveLength(1);
    expect(permissions[0]?.Properties).toMatchObject({
      Action: 'lambda:InvokeFunction',
      Principal: 'apigateway.amazonaws.com',
    });
    expect(flat(permissions[0]?.Properties.SourceArn)).toMatch(/:execute-api:.*:<RestApi>\/api\/\*\/\*$/);
  });
});
