import { Match } from 'aws-cdk-lib/assertions';
import { expect, test } from 'vitest';
import { modelArtifacts } from '../../infra/model-artifacts.ts';
import { deploymentWith, propertiesOf, resourcesOf } from './deployments.ts';

const { models: template } = deploymentWith();
const buckets = Object.values(resourcesOf(template, 'AWS::S3::Bucket'));

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
        Rules: Match.arrayWith([
          Match.objectLike({
            AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 },
            NoncurrentVersionExpiration: { NoncurrentDays: 90 },
            Status: 'Enabled',
          }),
        ]),
      },
    },
    2,
  );
});

test('checkpoints of jobs go after a month, and nothing else that is there now', () => {
  const rules = buckets.flatMap(({ Properties }) => Properties.LifecycleConfiguration.Rules);
  const expiring = rules.filter(
    ({ ExpirationInDays }: { ExpirationInDays?: number }) => ExpirationInDays !== undefined,
  );
  expect(expiring).toEqual([
    { ExpirationInDays: 90, Status: 'Enabled' },
    { ExpirationInDays: 30, Prefix: 'checkpoints/', Status: 'Enabled' },
  ]);
});

test('the repository is seeded with every file of model-artifacts; of the samples, the images', () => {
  const seed = propertiesOf(template, 'Custom::FileSeed');
  const files = seed.Files as { key: string; sha256: string }[];
  expect(files.map(({ key }) => key)).toContain('models/digits/1/model.onnx');
  expect(files.map(({ key, sha256 }) => ({ key, sha256 }))).toEqual(
    modelArtifacts().map(({ key, sha256 }) => ({ key: `models/${key}`, sha256 })),
  );
  const samples = files.map(({ key }) => key).filter((key) => key.includes('samples'));
  expect(samples).toEqual(['five', 'seven', 'three', 'two', 'zero'].map((name) => `models/digits/samples/${name}.png`));
});

test('of what is there, only how a model is trained is replaced', () => {
  const files = propertiesOf(template, 'Custom::FileSeed').Files as { key: string; replace?: string }[];
  const replaced = files.filter(({ replace }) => replace !== undefined);
  expect(replaced.map(({ key, replace }) => [key, replace])).toEqual([['models/digits/training.json', 'true']]);
});

test('only the data bucket sends events, by the native property: the one function is the seed', () => {
  template.resourcePropertiesCountIs(
    'AWS::S3::Bucket',
    { NotificationConfiguration: { EventBridgeConfiguration: { EventBridgeEnabled: true } } },
    1,
  );
  expect(Object.keys(template.findResources('Custom::S3BucketNotifications'))).toEqual([]);
  template.resourceCountIs('AWS::Lambda::Function', 1);
});
