import { CustomResource, Duration } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import { Asset } from 'aws-cdk-lib/aws-s3-assets';
import { Construct } from 'constructs';
import type { ArtifactFile } from '../model-artifacts.ts';
import { allowBelow } from './bucket-access.ts';
import { bundledFunction } from './bundled-function.ts';

export type FileSeedProps = {
  readonly bucket: Bucket;
  /** With its slash at the end: `models/`. */
  readonly prefix: string;
  readonly files: readonly ArtifactFile[];
  /** Whether a file is the deployment's own, and replaces what is there. Default: none. */
  readonly isReplaced?: (file: ArtifactFile) => boolean;
  readonly logRetentionDays: number;
};

/**
 * Brings files of this project into a bucket at a deployment: what is missing is created, what is there stays, and
 * other bytes under a model's version that exists stop the deployment. (CDK's BucketDeployment would overwrite, and bring
 * a layer with the AWS CLI.) Each file is an asset of its own, which S3 copies: it never passes through the function.
 */
export class FileSeed extends Construct {
  constructor(scope: Construct, id: string, props: FileSeedProps) {
    super(scope, id);
    const { bucket, prefix, files, isReplaced = () => false, logRetentionDays } = props;
    const { lambda: seeder, role } = bundledFunction(this, {
      description: `Copies files of a deployment to ${prefix}`,
      entry: 'functions/serve/seed.ts',
      timeout: Duration.minutes(15),
      logRetentionDays,
    });
    const assets = files.map((file) => ({ file, asset: new Asset(this, file.key, { path: file.path }) }));
    role.addToPolicy(
      new PolicyStatement({
        actions: ['s3:GetObject'],
        resources: assets.map(({ asset }) => asset.bucket.arnForObjects(asset.s3ObjectKey)),
      }),
    );
    allowBelow(role, ['s3:GetObject', 's3:PutObject'], bucket, prefix);
    // Without it a missing object is answered like a forbidden one.
    role.addToPolicy(new PolicyStatement({ actions: ['s3:ListBucket'], resources: [bucket.bucketArn] }));
    const resource = new CustomResource(this, 'Files', {
      resourceType: 'Custom::FileSeed',
      serviceToken: seeder.functionArn,
      properties: {
        Bucket: bucket.bucketName,
        Files: assets.map(({ file, asset }) => ({
          key: `${prefix}${file.key}`,
          source: `${asset.s3BucketName}/${asset.s3ObjectKey}`,
          sha256: file.sha256,
          // Texts are all that CloudFormation hands on.
          ...(isReplaced(file) ? { replace: 'true' } : {}),
        })),
      },
    });
    resource.node.addDependency(role);
  }
}
