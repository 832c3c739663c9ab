// Deployments as the tests synthesize them: with the context of the project's own cdk.json.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { afterAll, vi } from 'vitest';
import { type DeploymentConfig, readConfig } from '../../infra/config.ts';
import { type DeploymentChoices, declareDeployment } from '../../infra/deployment.ts';
import { removeStagingFolders } from '../../infra/images/staging.ts';

// Each makes and hashes every asset of a deployment, on a machine that may be busy.
vi.setConfig({ testTimeout: 180_000 });
const { context } = JSON.parse(readFileSync(join(import.meta.dirname, '../../cdk.json'), 'utf8'));
const outputs: string[] = [];
afterAll(() => {
  for (const folder of outputs.splice(0)) rmSync(folder, { recursive: true });
  // A worker of vitest is ended without the event that would do it.
  removeStagingFolders();
});

export function newApp(): App {
  const outdir = mkdtempSync(join(tmpdir(), 'serverless-onnx-task-'));
  outputs.push(outdir);
  return new App({ context, outdir });
}

export type Templates = { readonly models: Template; readonly serving: Template };

/** The templates of a deployment with some options. */
export function deploymentWith(options: Partial<DeploymentConfig> = {}, name?: string): Templates {
  const { models, serving } = declareDeployment(newApp(), readConfig(options), { name });
  return { models: Template.fromStack(models), serving: Template.fromStack(serving) };
}

/** The template of the stack that retrains. */
export function retrainingWith(options: Partial<DeploymentConfig> = {}, choices: DeploymentChoices = {}): Template {
  const { retraining } = declareDeployment(newApp(), readConfig(options), choices);
  if (retraining === undefined) throw new Error('expected a model with a training.json');
  return Template.fromStack(retraining);
}

export type Resource = {
  // biome-ignore lint/suspicious/noExplicitAny: CloudFormation's properties are what each test says they are.
  Properties: any;
  [attribute: string]: unknown;
};

/** Resources of one type, by logical id. */
export function resourcesOf(template: Template, type: string): { [id: string]: Resource } {
  return template.findResources(type) as { [id: string]: Resource };
}

/** The properties of the function that answers requests: the only one with an image. */
export function inferenceFunction(serving: Template): Resource['Properties'] {
  const functions = Object.values(resourcesOf(serving, 'AWS::Lambda::Function'));
  return functions.find(({ Properties }) => Properties.PackageType === 'Image')?.Properties;
}

/** The properties of the one resource of its type. */
export function propertiesOf(template: Template, type: string): Resource['Properties'] {
  const [resource, ...others] = Object.values(resourcesOf(template, type));
  if (resource === undefined || others.length > 0)
    throw new Error(`expected one ${type}, got ${others.length + Number(resource !== undefined)}`);
  return resource.Properties;
}
