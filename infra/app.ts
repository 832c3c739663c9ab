// The AWS side: `npm run synth` shows what a deployment would make, `npm run deploy` makes it.

import { App } from 'aws-cdk-lib';
import { CONFIG_KEY, readConfig, readDeploymentName, readTrainer, WrongConfig } from './config.ts';
import { declareDeployment } from './deployment.ts';

try {
  const app = new App();
  const name = readDeploymentName(app.node.tryGetContext('deployment'));
  const trainer = readTrainer(app.node.tryGetContext('trainer'));
  declareDeployment(app, readConfig(app.node.tryGetContext(CONFIG_KEY)), { name, trainer });
} catch (error) {
  if (!(error instanceof WrongConfig)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
