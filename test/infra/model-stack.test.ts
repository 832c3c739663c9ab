import { App } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { expect, test } from 'vitest';
import { ModelStack } from '../../infra/stacks/model-stack.ts';

const template = Template.fromStack(new ModelStack(new App(), 'Models'));
const buckets = Object.values(template.findResources('AWS::S3::Bucket'));

test('every bucket is private, encrypted, reached through TLS only, and stays when the stack goes', () => {
  expect(buckets).toHaveLength(3);
  for (const bucket of buckets) {
    expect(bucket).toMatchObject({ DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' });
    expect(bucket.Properties).toMatchObject({
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }],
      },
    });
    expect(bucket.Properties).not.toHaveProperty('BucketName');
  }
  const deniesPlainHttp = Match.arrayWith([
    Match.objectLike({ Effect: 'Deny', Action: 's3:*', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
  ]);
  template.resourcePropertiesCountIs('AWS::S3::BucketPolicy', { PolicyDocument: { Statement: deniesPlainHttp } }, 3);
});

test('models and data are versioned, logged, and old versions expire', () => {
  template.resourcePropertiesCountIs(
    'AWS::S3::Bucket',
    {
      VersioningConfiguration: { Status: 'Enabled' },
      LoggingConfiguration: Match.anyValue(),
      LifecycleConfiguration: {
        Rules: [
          Match.objectLike({
            AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 },
            NoncurrentVersionExpiration: { NoncurrentDays: 90 },
            Status: 'Enabled',
          }),
        ],
      },
    },
    2,
  );
});

test('only the data bucket sends events, by the native property: no custom resource', () => {
  template.resourcePropertiesCountIs(
    'AWS::S3::Bucket',
    { NotificationConfiguration: { EventBridgeConfiguration: { EventBridgeEnabled: true } } },
    1,
  );
  expect(Object.keys(template.findResources('Custom::S3BucketNotifications'))).toEqual([]);
  expect(Object.keys(template.findResources('AWS::Lambda::Function'))).toEqual([]);
});
