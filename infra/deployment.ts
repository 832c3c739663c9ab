import { readFileSync } from 'node:fs';
import type { App } from 'aws-cdk-lib';
import { checkFits, type DeploymentConfig } from './config.ts';
import { type ArtifactFile, modelArtifacts, modelNames } from './model-artifacts.ts';
import { ModelStack } from './stacks/model-stack.ts';
import { ServingStack } from './stacks/serving-stack.ts';
import { readTrainingOptions, TRAINING_FILE } from './training-options.ts';

/** More models than this are loaded when they are asked for: INIT has 10 s. */
const MAX_PRELOADED = 4;

/**
 * The stacks of one deployment, by lifetime: the models outlive the service.
 * @param name of one of several deployments in an account
 * @throws WrongConfig
 */
export function declareDeployment(
  app: App,
  config: DeploymentConfig,
  name?: string,
): { models: ModelStack; serving: ServingStack } {
  const files = modelArtifacts();
  checkFits(config, files);
  checkTraining(files);
  const suffix = name === undefined ? '' : `-${name}`;
  const models = new ModelStack(app, `ServerlessOnnxModels${suffix}`, {
    description: 'serverless-onnx: the model repository and the training data, which outlive everything else',
    logRetentionDays: config.logRetentionDays,
    files,
  });
  const serving = new ServingStack(app, `ServerlessOnnxServing${suffix}`, {
    description: 'serverless-onnx: the models as a service',
    config,
    repository: models.repository,
    models: modelNames(files),
    preloadModels: config.preloadModels ?? modelNames(files).slice(0, MAX_PRELOADED),
  });
  // Models are there before the first request may ask for them.
  serving.addStackDependency(models);
  return { models, serving };
}

/** How models are to be trained is read before anything is made. @throws WrongConfig */
export function checkTraining(files: readonly ArtifactFile[]): void {
  for (const { path, key } of files) {
    if (key.split('/')[1] === TRAINING_FILE) readTrainingOptions(`model-artifacts/${key}`, readFileSync(path, 'utf8'));
  }
}
