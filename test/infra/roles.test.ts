import type { Template } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import type { DeploymentConfig } from '../../infra/config.ts';
import { deploymentWith, type Resource, resourcesOf } from './deployments.ts';

type Statement = { Effect: string; Action: string | string[]; Resource: unknown; Condition?: unknown };

/** What each role may do, as `action on resource`, with the ids of CloudFormation's references left as they are. */
function rightsOf(template: Template): { [role: string]: string[] } {
  const rights: { [role: string]: string[] } = {};
  for (const [id, { Properties }] of Object.entries(resourcesOf(template, 'AWS::IAM::Role'))) {
    const managed = (Properties.ManagedPolicyArns ?? []).map((arn: unknown) => `managed ${flat(arn)}`);
    rights[withoutHash(id)] = managed;
    expect(Properties).not.toHaveProperty('Policies');
  }
  for (const policy of Object.values(resourcesOf(template, 'AWS::IAM::Policy'))) {
    for (const role of policy.Properties.Roles) rights[withoutHash(role.Ref)]?.push(...rightsIn(policy));
  }
  for (const list of Object.values(rights)) list.sort();
  return rights;
}

function rightsIn({ Properties }: Resource): string[] {
  return Properties.PolicyDocument.Statement.flatMap(({ Effect, Action, Resource, Condition }: Statement) => {
    expect(Effect).toBe('Allow');
    const when = Condition === undefined ? '' : ` if ${JSON.stringify(Condition)}`;
    return [Action].flat().flatMap((action) => [Resource].flat().map((on) => `${action} on ${flat(on)}${when}`));
  });
}

function flat(value: unknown): string {
  if (typeof value === 'string') return value;
  const [[name, inner]] = Object.entries(value as object) as [[string, never]];
  if (name === 'Fn::Join') return (inner[1] as unknown[]).map(flat).join(inner[0]);
  if (name === 'Fn::GetAtt') return `<${withoutHash(inner[0])}>`;
  if (name === 'Ref') return `<${withoutHash(inner)}>`;
  if (name === 'Fn::ImportValue')
    return `<${withoutHash(/ExportsOutput(?:Ref|FnGetAtt)(\w+?)Arn/.exec(inner)?.[1] ?? inner)}>`;
  if (name === 'Fn::Sub') return inner;
  throw new Error(`unknown function ${name}`);
}

function withoutHash(id: string): string {
  return id.replace(/[0-9A-F]{8}$/, '');
}

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
  expect(assets).toHaveLength(4);
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
