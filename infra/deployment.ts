import { readFileSync } from 'node:fs';
import type { App } from 'aws-cdk-lib';
import { checkFits, type DeploymentConfig, type Trainer, WrongConfig } from './config.ts';
import { ServingCode } from './constructs/serving-code.ts';
import { type ArtifactFile, modelArtifacts, modelNames } from './model-artifacts.ts';
import { checkPublished } from './published-models.ts';
import { ModelStack } from './stacks/model-stack.ts';
import { RetrainingStack } from './stacks/retraining-stack.ts';
import { ServingStack } from './stacks/serving-stack.ts';
import { readTrainingOptions, TRAINING_FILE, type TrainingOptions } from './training-options.ts';

/** More models than this are loaded when they are asked for: INIT has 10 s. */
const MAX_PRELOADED = 4;
/** Of Lambda's 4 KB of settings. */
const MAX_TRAINED = 16;

export type DeploymentChoices = {
  /** Of one of several deployments in an account. */
  readonly name?: string | undefined;
  /** Default: SageMaker. */
  readonly trainer?: Trainer;
};

export type Deployment = {
  readonly models: ModelStack;
  readonly serving: ServingStack;
  /** Where at least one model has a training.json, and models are not part of the image. */
  readonly retraining: RetrainingStack | undefined;
};

/**
 * The stacks of one deployment, by lifetime: the models outlive the service.
 * @throws WrongConfig
 */
export function declareDeployment(
  app: App,
  config: DeploymentConfig,
  { name, trainer = 'sagemaker' }: DeploymentChoices = {},
): Deployment {
  const files = modelArtifacts();
  checkFits(config, files);
  if (config.modelRepository === 'image') checkPublished(files);
  const training = trainingOf(files);
  const suffix = name === undefined ? '' : `-${name}`;
  const models = new ModelStack(app, `ServerlessOnnxModels${suffix}`, {
    description: 'serverless-onnx: the model repository and the training data, which outlive everything else',
    logRetentionDays: config.logRetentionDays,
    files,
  });
  const image = new ServingCode(config);
  const serving = new ServingStack(app, `ServerlessOnnxServing${suffix}`, {
    description: 'serverless-onnx: the models as a service',
    config,
    image,
    repository: models.repository,
    models: modelNames(files),
    preloadModels: config.preloadModels ?? modelNames(files).slice(0, MAX_PRELOADED),
  });
  // Models are there before the first request may ask for them.
  serving.addStackDependency(models);
  if (training.size === 0 || config.modelRepository === 'image') return { models, serving, retraining: undefined };
  const retraining = new RetrainingStack(app, `ServerlessOnnxRetraining${suffix}`, {
    description: 'serverless-onnx: an upload of data retrains a model',
    config,
    image,
    buckets: { artifacts: models.repository, datasets: models.datasets },
    training,
    trainer,
  });
  // How models are trained is there before the first upload.
  retraining.addStackDependency(models);
  return { models, serving, retraining };
}

/** How models are to be trained is read before anything is made. @throws WrongConfig */
export function trainingOf(files: readonly ArtifactFile[]): Map<string, TrainingOptions> {
  const training = new Map<string, TrainingOptions>();
  for (const { path, key } of files) {
    const [model = '', file] = key.split('/');
    if (file === TRAINING_FILE) {
      training.set(model, readTrainingOptions(`model-artifacts/${key}`, readFileSync(path, 'utf8')));
    }
  }
  if (training.size <= MAX_TRAINED) return training;
  throw new WrongConfig(
    `model-artifacts has ${training.size} models with a ${TRAINING_FILE}; expected at most ${MAX_TRAINED}, as the names ` +
      'of their workflows must fit into the settings of a function',
  );
}
