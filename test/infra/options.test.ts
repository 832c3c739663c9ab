import { expect, test } from 'vitest';
import { readLambdaSettings } from '../../functions/serve/lambda-env.ts';
import { deploymentWith, inferenceFunction, propertiesOf, type Resource, resourcesOf } from './deployments.ts';

const byDefault = deploymentWith();
const functionOf = ({ serving }: typeof byDefault) => inferenceFunction(serving);

test('the function is what the configuration says, and reads what infra wrote', () => {
  const inference = functionOf(
    deploymentWith({
      memoryMb: 3008,
      ephemeralStorageMb: 2048,
      architecture: 'arm64',
      modelRepository: 'image',
      preloadModels: ['digits', 'other'],
      serverName: 'my models',
      defaultMaxBatchSize: 8,
      maxBodyBytes: 1_000_000,
      timeoutSeconds: 20,
      corsOrigins: ['https://example.com', 'https://example.org'],
    }),
  );
  expect(inference).toMatchObject({
    PackageType: 'Image',
    MemorySize: 3008,
    EphemeralStorage: { Size: 2048 },
    Architectures: ['arm64'],
    TracingConfig: { Mode: 'Active' },
  });
  expect(readLambdaSettings(inference.Environment.Variables)).toEqual({
    modelRepository: '/var/task/models',
    preloadModels: ['digits', 'other'],
    serverName: 'my models',
    defaultMaxBatchSize: 8,
    maxBodyBytes: 1_000_000,
    requestTimeoutMs: 19_500,
    corsOrigins: ['https://example.com', 'https://example.org'],
    metricsNamespace: 'ServerlessOnnxServing',
  });
});

test('by default the models come from the bucket, and those of model-artifacts are loaded at the start', () => {
  const { Environment, ReservedConcurrentExecutions } = functionOf(byDefault);
  expect(Environment.Variables.MODEL_REPOSITORY['Fn::Join'][1]).toEqual([
    's3://',
    { 'Fn::ImportValue': expect.stringContaining('Repository') },
    '/models',
  ]);
  expect(Environment.Variables.PRELOAD_MODELS).toBe('digits');
  expect(ReservedConcurrentExecutions).toBeUndefined();
});

test('what costs money without a request, or may fail in an account, is off', () => {
  for (const type of [
    'AWS::WAFv2::WebACL',
    'AWS::Budgets::Budget',
    'AWS::ApiGateway::DomainName',
    'AWS::ApplicationAutoScaling::ScalableTarget',
    'AWS::Cognito::UserPool',
    'AWS::ApiGateway::UsagePlan',
  ]) {
    byDefault.serving.resourceCountIs(type, 0);
  }
  const alias = propertiesOf(byDefault.serving, 'AWS::Lambda::Alias');
  expect(alias).not.toHaveProperty('ProvisionedConcurrencyConfig');
});

test('a start from a snapshot is off, and behind the alias where it is on', () => {
  expect(functionOf(byDefault)).not.toHaveProperty('SnapStart');
  const deployment = deploymentWith({ snapStart: true, ephemeralStorageMb: 512 });
  expect(functionOf(deployment).SnapStart).toEqual({ ApplyOn: 'PublishedVersions' });
  const { FunctionVersion } = propertiesOf(deployment.serving, 'AWS::Lambda::Alias');
  expect(FunctionVersion).toEqual({ 'Fn::GetAtt': [expect.stringContaining('CurrentVersion'), 'Version'] });
});

test('provisioned concurrency, fixed and between two bounds', () => {
  const fixed = deploymentWith({ provisionedConcurrency: 3, reservedConcurrency: 5 });
  expect(functionOf(fixed).ReservedConcurrentExecutions).toBe(5);
  const alias = propertiesOf(fixed.serving, 'AWS::Lambda::Alias');
  expect(alias.ProvisionedConcurrencyConfig).toEqual({ ProvisionedConcurrentExecutions: 3 });
  const { serving } = deploymentWith({ provisionedConcurrency: 2, provisionedConcurrencyMax: 6 });
  const target = propertiesOf(serving, 'AWS::ApplicationAutoScaling::ScalableTarget');
  expect(target).toMatchObject({ MinCapacity: 2, MaxCapacity: 6 });
  const policy = propertiesOf(serving, 'AWS::ApplicationAutoScaling::ScalingPolicy');
  expect(policy.TargetTrackingScalingPolicyConfiguration).toMatchObject({
    TargetValue: 0.7,
    PredefinedMetricSpecification: { PredefinedMetricType: 'LambdaProvisionedConcurrencyUtilization' },
  });
});

test('a monthly budget tells the topic of the alarms', () => {
  const { serving } = deploymentWith({ monthlyBudgetUsd: 20 });
  const [topic] = Object.keys(resourcesOf(serving, 'AWS::SNS::Topic'));
  const budget = propertiesOf(serving, 'AWS::Budgets::Budget');
  expect(budget.Budget).toMatchObject({ TimeUnit: 'MONTHLY', BudgetLimit: { Amount: 20, Unit: 'USD' } });
  for (const { Subscribers } of budget.NotificationsWithSubscribers) {
    expect(Subscribers).toEqual([{ SubscriptionType: 'SNS', Address: { Ref: topic } }]);
  }
  expect(JSON.stringify(resourcesOf(serving, 'AWS::SNS::TopicPolicy'))).toContain('budgets.amazonaws.com');
});

test('a web ACL counts requests of an address, and lets tensors through', () => {
  const { serving } = deploymentWith({ webAclRequestsPer5Minutes: 500 });
  const acl = propertiesOf(serving, 'AWS::WAFv2::WebACL');
  const [rate, common] = acl.Rules;
  expect(rate).toMatchObject({ Action: { Block: {} }, Statement: { RateBasedStatement: { Limit: 500 } } });
  const { RuleActionOverrides } = common.Statement.ManagedRuleGroupStatement;
  expect(RuleActionOverrides).toContainEqual({ Name: 'SizeRestrictions_BODY', ActionToUse: { Count: {} } });
  serving.resourceCountIs('AWS::WAFv2::WebACLAssociation', 1);
});

test('a custom domain, with TLS 1.2', () => {
  const { serving } = deploymentWith({
    customDomainName: 'models.example.com',
    customDomainCertificateArn: 'arn:aws:acm:us-east-1:111122223333:certificate/00000000-0000-0000-0000-000000000000',
  });
  const domain = propertiesOf(serving, 'AWS::ApiGateway::DomainName');
  expect(domain).toMatchObject({ DomainName: 'models.example.com', SecurityPolicy: 'TLS_1_2' });
  serving.resourceCountIs('AWS::ApiGateway::BasePathMapping', 1);
});

test('two deployments share no name that an account has once, and no export', () => {
  const options = { authentication: 'cognito', monthlyBudgetUsd: 1, webAclRequestsPer5Minutes: 100 } as const;
  const onceInAnAccount =
    /^(Bucket|Function|Role|Topic|Alarm|Dashboard|LogGroup|UsagePlan|UserPool|Budget)Name$|^AWS::(WAFv2::WebACL|ApiGateway::ApiKey)\.Name$|^Domain$/;
  const namesIn = (name?: string): string[] => {
    const { models, serving } = deploymentWith(options, name);
    return [models, serving].flatMap((template) => {
      const { Resources, Outputs } = template.toJSON();
      const resources = Object.values(Resources as { [id: string]: Resource }).flatMap(({ Type, Properties = {} }) =>
        Object.entries(Properties)
          // What refers to a resource is as much of the deployment's own as that.
          .filter(([, value]) => !/^{"(Ref|Fn::GetAtt)"/.test(JSON.stringify(value)))
          .filter(([property]) => onceInAnAccount.test(property) || onceInAnAccount.test(`${Type}.${property}`))
          .map(([property, value]) => `${Type}.${property} ${JSON.stringify(value)}`),
      );
      const exported = Object.values(Outputs as { [id: string]: { Export?: { Name: string } } });
      return [...resources, ...exported.flatMap(({ Export }) => Export?.Name ?? [])];
    });
  };
  const first = namesIn();
  const second = namesIn('second');
  expect(first.length).toBeGreaterThan(1);
  expect(second).toHaveLength(first.length);
  expect(first.filter((name) => second.includes(name))).toEqual([]);
});
