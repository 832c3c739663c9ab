// The state machine of one model by itself.

import { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import type { Trainer } from '../../infra/config.ts';
import { RetrainingWorkflow, workflowName } from '../../infra/constructs/retraining-workflow.ts';
import { trainingImage } from '../../infra/constructs/training-image.ts';
import { readTrainingOptions } from '../../infra/training-options.ts';

/** @param options of training.json */
export function workflowWith(options: object = {}, trainer: Trainer = 'sagemaker', model = 'digits'): Template {
  const env = { account: '111122223333', region: 'eu-west-1' };
  const stack = new Stack(new App(), 'Retraining', { env });
  const read = readTrainingOptions('training.json', JSON.stringify(options));
  const named = (name: string) =>
    LambdaFunction.fromFunctionArn(stack, name, `arn:aws:lambda:${env.region}:${env.account}:function:${name}`);
  new RetrainingWorkflow(stack, 'Workflow', {
    name: workflowName(stack, model),
    model,
    options: read,
    image: trainingImage(stack, read),
    buckets: { artifacts: new Bucket(stack, 'Artifacts') },
    codePrefix: 'code/0123abcd',
    functions: { judge: named('judge'), promote: named('promote'), conclude: named('conclude') },
    failures: new Queue(stack, 'FailuresQueue'),
    trainer: trainer === 'callback' ? new Queue(stack, 'TrainingQueue') : undefined,
    logGroup: new LogGroup(stack, 'Logs'),
  });
  return Template.fromStack(stack);
}
