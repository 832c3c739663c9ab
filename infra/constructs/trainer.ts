import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { JsonPath } from 'aws-cdk-lib/aws-stepfunctions';
import { integration, type ServiceTaskProps } from './service-task.ts';

type Task = Pick<ServiceTaskProps, 'resource' | 'request' | 'policies'>;
/** Of SageMaker's API: `createTrainingJob`. */
type Job = Pick<ServiceTaskProps, 'request' | 'policies'> & { readonly action: string };

/**
 * Who does what SageMaker would: SageMaker, or whoever reads a queue. A message of it holds `taskToken`, `action` and the
 * identical `request`; the state goes on when SendTaskSuccess brings what SageMaker would have described.
 */
export function trained({ action, request, policies }: Job, queue: Queue | undefined): Task {
  if (queue === undefined) return { resource: integration(`sagemaker:${action}.sync`), request, policies };
  return {
    resource: integration('sqs:sendMessage.waitForTaskToken'),
    request: { QueueUrl: queue.queueUrl, MessageBody: { taskToken: JsonPath.taskToken, action, request } },
    policies: [new PolicyStatement({ actions: ['sqs:SendMessage'], resources: [queue.queueArn] })],
  };
}
