import { join } from 'node:path';
import { CustomResource, Duration } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Code, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import { Asset } from 'aws-cdk-lib/aws-s3-assets';
import { Construct } from 'constructs';
import { bundle } from '../images/bundle.ts';
import { stagingFolder } from '../images/staging.ts';
import type { ArtifactFile } from '../model-artifacts.ts';
import { allowBelow } from './bucket-access.ts';
import { functionRole, leaveUntraced } from './function-role.ts';

export type RepositorySeedProps = {
  readonly repository: Bucket;
  readonly files: readonly ArtifactFile[];
  readonly logRetentionDays: number;
};

/**
 * Brings the project's models into the repository at a deployment: what is missing is created, what is there stays, and
 * other bytes under a version that exists stop the deployment. (CDK's BucketDeployment would overwrite, and bring a
 * layer with the AWS CLI.) Each file is an asset of its own, which S3 copies: it never passes through the function.
 */
export class RepositorySeed extends Construct {
  constructor(scope: Construct, id: string, { repository, files, logRetentionDays }: RepositorySeedProps) {
    super(scope, id);
    const code = stagingFolder();
    bundle('functions/serve/seed.ts', join(code, 'seed.mjs'));
    const { role, logGroup } = functionRole(this, logRetentionDays);
    const seeder = new LambdaFunction(this, 'Function', {
      description: 'Copies the models of a deployment into the model repository',
      runtime: Runtime.NODEJS_24_X,
      handler: 'seed.handler',
      code: Code.fromAsset(code),
      timeout: Duration.minutes(15),
      memorySize: 512,
      role,
      logGroup,
    });
    leaveUntraced(seeder);
    const assets = files.map(({ path, key, sha256 }) => ({ key, sha256, asset: new Asset(this, key, { path }) }));
    role.addToPolicy(
      new PolicyStatement({
        actions: ['s3:GetObject'],
        resources: assets.map(({ asset }) => asset.bucket.arnForObjects(asset.s3ObjectKey)),
      }),
    );
    allowBelow(role, ['s3:GetObject', 's3:PutObject'], repository, 'models/');
    // Without it a missing object is answered like a forbidden one.
    role.addToPolicy(new PolicyStatement({ actions: ['s3:ListBucket'], resources: [repository.bucketArn] }));
    const resource = new CustomResource(this, 'Resource', {
      resourceType: 'Custom::ModelRepositorySeed',
      serviceToken: seeder.functionArn,
      properties: {
        Bucket: repository.bucketName,
        Files: assets.map(({ key, sha256, asset }) => ({
          key: `models/${key}`,
          source: `${asset.s3BucketName}/${asset.s3ObjectKey}`,
          sha256,
        })),
      },
    });
    resource.node.addDependency(role);
  }
}
