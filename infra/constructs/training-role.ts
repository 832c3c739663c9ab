import { Aws, Stack } from 'aws-cdk-lib';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { acknowledgeNameless, acknowledgePattern } from './acknowledged.ts';
import { allowBelow, allowListing } from './bucket-access.ts';
import type { TrainingImage } from './training-image.ts';

export type TrainingBuckets = {
  /** Holds `code/`, `snapshots/`, `staging/` and `checkpoints/`, beside models that training has no right on. */
  readonly artifacts: Bucket;
};

/**
 * The role of a training job: it reads the code and the snapshots of its model's data, and writes what it has made. It has
 * no right on the model repository nor on uploads, and no network (the job's isolation).
 */
export function trainingRole(
  scope: Construct,
  id: string,
  model: string,
  image: TrainingImage,
  { artifacts }: TrainingBuckets,
): Role {
  const role = new Role(scope, id, { assumedBy: new ServicePrincipal('sagemaker.amazonaws.com') });
  allowBelow(role, ['s3:GetObject'], artifacts, 'code/');
  allowBelow(role, ['s3:GetObject'], artifacts, `snapshots/${model}/`);
  allowBelow(role, ['s3:GetObject', 's3:PutObject'], artifacts, `checkpoints/${model}/`);
  allowBelow(role, ['s3:PutObject'], artifacts, `staging/${model}/`);
  allowListing(role, artifacts, ['code/', `snapshots/${model}/`, `checkpoints/${model}/`]);
  role.addToPolicy(
    new PolicyStatement({
      actions: ['ecr:BatchCheckLayerAvailability', 'ecr:BatchGetImage', 'ecr:GetDownloadUrlForLayer'],
      resources: [image.repositoryArn],
    }),
  );
  role.addToPolicy(new PolicyStatement({ actions: ['ecr:GetAuthorizationToken'], resources: ['*'] }));
  role.addToPolicy(
    new PolicyStatement({
      actions: ['cloudwatch:PutMetricData'],
      resources: ['*'],
      conditions: { StringEquals: { 'cloudwatch:namespace': '/aws/sagemaker/TrainingJobs' } },
    }),
  );
  const logs = `arn:${Aws.PARTITION}:logs:${Stack.of(scope).region}:${Aws.ACCOUNT_ID}:log-group:/aws/sagemaker/TrainingJobs:*`;
  role.addToPolicy(
    new PolicyStatement({
      actions: ['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:DescribeLogStreams', 'logs:PutLogEvents'],
      resources: [logs],
    }),
  );
  acknowledgePattern(role, logs);
  acknowledgeNameless(role);
  return role;
}
