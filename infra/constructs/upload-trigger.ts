import { Duration } from 'aws-cdk-lib';
import { Rule } from 'aws-cdk-lib/aws-events';
import { SqsQueue } from 'aws-cdk-lib/aws-events-targets';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { deadLetterQueue, workQueue } from './queues.ts';

export type UploadTriggerProps = {
  readonly datasets: Bucket;
  /** How long files wait for further ones, in seconds. */
  readonly quietSeconds: number;
  /** How long the reader of the queues may take. */
  readonly readerTimeout: Duration;
};

/** `datasets/<model>/manifest.json`, which says that an upload is whole. */
const MANIFESTS = { wildcard: 'datasets/*/manifest.json' };
const MAX_RECEIVES = 4;

/**
 * Events of uploads as messages in two queues: plain files wait until the prefix has been quiet, a manifest starts at
 * once. An event belongs to one of both.
 */
export class UploadTrigger extends Construct {
  readonly files: Queue;
  readonly manifests: Queue;
  /** Events that did not reach a queue, and messages that were never done with. */
  readonly unhandled: Queue;

  constructor(scope: Construct, id: string, { datasets, quietSeconds, readerTimeout }: UploadTriggerProps) {
    super(scope, id);
    this.unhandled = deadLetterQueue(this, 'UnhandledQueue');
    const queue = (name: string, deliveryDelay: Duration): Queue =>
      workQueue(this, name, this.unhandled, {
        deliveryDelay,
        // A message that is being read is nobody else's, until its reader must have ended.
        visibilityTimeout: readerTimeout.plus(Duration.minutes(1)),
        maxReceives: MAX_RECEIVES,
      });
    this.files = queue('FilesQueue', Duration.seconds(quietSeconds));
    this.manifests = queue('ManifestsQueue', Duration.seconds(0));
    this.#send('Files', [{ 'anything-but': MANIFESTS }], datasets, this.files);
    this.#send('Manifests', [MANIFESTS], datasets, this.manifests);
  }

  #send(name: string, key: object[], datasets: Bucket, queue: Queue): void {
    new Rule(this, name, {
      description: `${name} that are uploaded as training data`,
      eventPattern: {
        source: ['aws.s3'],
        detailType: ['Object Created'],
        detail: { bucket: { name: [datasets.bucketName] }, object: { key } },
      },
      targets: [new SqsQueue(queue, { deadLetterQueue: this.unhandled })],
    });
  }
}
