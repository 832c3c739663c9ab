import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type App, Stack, Validations } from 'aws-cdk-lib';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { AwsSolutionsChecks, ServerlessChecks } from 'cdk-nag';
import { expect, test } from 'vitest';
import { type DeploymentConfig, readConfig } from '../../infra/config.ts';
import { type DeploymentChoices, declareDeployment } from '../../infra/deployment.ts';
import { newApp } from './deployments.ts';

const ROOT = join(import.meta.dirname, '../..');
const everything = {
  publicHealth: true,
  corsOrigins: ['https://example.com'],
  provisionedConcurrency: 1,
  provisionedConcurrencyMax: 4,
  alarmEmail: 'someone@example.com',
  monthlyBudgetUsd: 10,
  webAclRequestsPer5Minutes: 2_000,
  customDomainName: 'models.example.com',
  customDomainCertificateArn: 'arn:aws:acm:us-east-1:111122223333:certificate/00000000-0000-0000-0000-000000000000',
} satisfies Partial<DeploymentConfig>;

const deployments: [string, Partial<DeploymentConfig>, DeploymentChoices?][] = [
  ['by default', {}],
  ['with API keys', { authentication: 'api-key' }],
  ['with Cognito', { authentication: 'cognito' }],
  ['with a repository in the image', { modelRepository: 'image' }],
  ['with everything, and a name', everything, { name: 'staging' }],
  ['with another trainer', {}, { trainer: 'callback' }],
];

type Report = { pluginReports: { pluginName: string; conclusion: string; violations: Violation[] }[] };
type Violation = { ruleName: string; violatingConstructs: { constructPath: string }[] };

/** What cdk-nag finds, as `rule at construct`. */
function findings(options: Partial<DeploymentConfig>, choices?: DeploymentChoices, change?: (app: App) => void) {
  const app = newApp();
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app), new ServerlessChecks(app));
  declareDeployment(app, readConfig(options), choices);
  change?.(app);
  try {
    app.synth();
  } catch {
    // What is found is in the report.
  }
  const report = JSON.parse(readFileSync(join(app.outdir, 'validation-report.json'), 'utf8')) as Report;
  return report.pluginReports.flatMap(({ violations }) =>
    violations.flatMap(({ ruleName, violatingConstructs }) =>
      violatingConstructs.map(({ constructPath }) => `${ruleName} at ${constructPath}`),
    ),
  );
}

test.each(deployments)('cdk-nag has no open finding: %s', (_, options, choices) => {
  expect(findings(options, choices)).toEqual([]);
});

test('both packs look at the app', () => {
  const found = findings({}, undefined, (app) => {
    const stack = new Stack(app, 'Careless');
    new Bucket(stack, 'Bucket');
    new Queue(stack, 'Queue');
  });
  expect(found).toContain('AwsSolutions-S1 at Careless/Bucket/Resource');
  expect(found).toContain('Serverless-SQSRedrivePolicy at Careless/Queue/Resource');
});

test('at most 12 findings are acknowledged, each with a reason', () => {
  const acknowledged = globSync('infra/**/*.ts', { cwd: ROOT }).flatMap((file) => [
    ...readFileSync(join(ROOT, file), 'utf8').matchAll(
      /id: ['`](AwsSolutions|Serverless)-[^\n]*\n\s*reason:\s*'.{30,}'/g,
    ),
  ]);
  const ids = globSync('infra/**/*.ts', { cwd: ROOT }).flatMap((file) => [
    ...readFileSync(join(ROOT, file), 'utf8').matchAll(/['`](AwsSolutions|Serverless)-/g),
  ]);
  expect(acknowledged.length).toBeLessThanOrEqual(12);
  expect(acknowledged).toHaveLength(ids.length);
});
