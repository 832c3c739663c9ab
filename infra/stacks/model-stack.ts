import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import { BlockPublicAccess, Bucket, BucketEncryption, type CfnBucket } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { FileSeed } from '../constructs/file-seed.ts';
import type { ArtifactFile } from '../model-artifacts.ts';
import { TRAINING_FILE } from '../training-options.ts';

export type ModelStackProps = StackProps & {
  /** What the repository is to hold after the first deployment. */
  readonly files: readonly ArtifactFile[];
  readonly logRetentionDays: number;
};

/** What outlives every deployment of code: the models and the data they are trained on. */
export class ModelStack extends Stack {
  /** Models in Triton's layout under `models/`. */
  readonly repository: Bucket;
  /** Uploads for training under `datasets/<model>/<class>/<file>`. */
  readonly datasets: Bucket;

  constructor(scope: Construct, id: string, props: ModelStackProps) {
    super(scope, id, props);
    const accessLogs = new Bucket(this, 'AccessLogs', {
      ...PRIVATE,
      versioned: false,
      lifecycleRules: [{ expiration: Duration.days(90) }],
    });
    this.repository = new Bucket(this, 'Repository', {
      ...PRIVATE,
      serverAccessLogsBucket: accessLogs,
      serverAccessLogsPrefix: 'repository/',
    });
    // A job that was to go on has done so long before.
    this.repository.addLifecycleRule({ prefix: 'checkpoints/', expiration: Duration.days(30) });
    this.datasets = new Bucket(this, 'Datasets', {
      ...PRIVATE,
      serverAccessLogsBucket: accessLogs,
      serverAccessLogsPrefix: 'datasets/',
    });
    sendEvents(this.datasets);
    if (props.files.length > 0) {
      new FileSeed(this, 'Seed', {
        ...props,
        bucket: this.repository,
        prefix: 'models/',
        // How a model is trained is a setting of the deployment; the rest belongs to people and to retraining, once it is there.
        isReplaced: ({ key }) => key.endsWith(`/${TRAINING_FILE}`),
      });
    }
    new CfnOutput(this, 'ModelBucket', {
      description: 'The bucket of the model repository, below models/',
      value: this.repository.bucketName,
    });
    new CfnOutput(this, 'DatasetBucket', {
      description: 'The bucket for uploads of training data',
      value: this.datasets.bucketName,
    });
  }
}

const PRIVATE = {
  versioned: true,
  encryption: BucketEncryption.S3_MANAGED,
  blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
  enforceSSL: true,
  removalPolicy: RemovalPolicy.RETAIN,
  lifecycleRules: [
    { abortIncompleteMultipartUploadAfter: Duration.days(7), noncurrentVersionExpiration: Duration.days(90) },
  ],
};

/** By the native property: CDK's `eventBridgeEnabled` would add a custom resource with rights on every bucket. */
function sendEvents(bucket: Bucket): void {
  (bucket.node.defaultChild as CfnBucket).addPropertyOverride(
    'NotificationConfiguration.EventBridgeConfiguration.EventBridgeEnabled',
    true,
  );
}
