// The AWS side: `npm run synth` shows what a deployment would make.

import { App } from 'aws-cdk-lib';
import { ModelStack } from './stacks/model-stack.ts';

const app = new App();
new ModelStack(app, 'ServerlessOnnxModels', {
  description: 'serverless-onnx: the model repository and the training data, which outlive everything else',
});
