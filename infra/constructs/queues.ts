import { Duration, Validations } from 'aws-cdk-lib';
import { Queue, QueueEncryption, type QueueProps } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';

const SAFE: QueueProps = {
  encryption: QueueEncryption.SQS_MANAGED,
  enforceSSL: true,
  // As long as SQS keeps a message.
  retentionPeriod: Duration.days(14),
};

/** A queue of messages that nobody could deliver or do: they wait there for people. */
export function deadLetterQueue(scope: Construct, id: string): Queue {
  const queue = new Queue(scope, id, SAFE);
  Validations.of(queue).acknowledge({
    id: 'Serverless-SQSRedrivePolicy',
    reason: 'It is itself where messages end that others can’t deliver or do.',
  });
  return queue;
}

/** @param maxReceives how often a message is read before it is for people: often enough for a fault that passes */
export function workQueue(
  scope: Construct,
  id: string,
  deadLetters: Queue,
  { maxReceives, ...options }: QueueProps & { readonly maxReceives: number },
): Queue {
  return new Queue(scope, id, {
    ...SAFE,
    ...options,
    deadLetterQueue: { queue: deadLetters, maxReceiveCount: maxReceives },
  });
}
