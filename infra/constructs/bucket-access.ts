import { Stack } from 'aws-cdk-lib';
import { PolicyStatement, type Role } from 'aws-cdk-lib/aws-iam';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import { acknowledgePattern } from './acknowledged.ts';

/**
 * Lets a role do something with the objects below a prefix. (CDK's `grantRead` and `grantWrite` would allow more.)
 * @param prefix with its slash at the end: `models/`
 */
export function allowBelow(role: Role, actions: readonly string[], bucket: Bucket, prefix: string): void {
  allowObjects(role, actions, bucket, `${prefix}*`);
}

/** @param pattern of keys, with `*` for the names of models */
export function allowObjects(role: Role, actions: readonly string[], bucket: Bucket, pattern: string): void {
  role.addToPolicy(new PolicyStatement({ actions: [...actions], resources: [bucket.arnForObjects(pattern)] }));
  acknowledgePattern(role, `${nameInFindings(role, bucket)}/${pattern}`);
}

/**
 * Lets a role list keys of a bucket. Without it a missing object is answered like a forbidden one.
 * @param prefixes with their slashes at the end
 * @param action `s3:ListBucketVersions` for old versions too
 */
export function allowListing(
  role: Role,
  bucket: Bucket,
  prefixes: readonly string[],
  action: 's3:ListBucket' | 's3:ListBucketVersions' = 's3:ListBucket',
): void {
  role.addToPolicy(
    new PolicyStatement({
      actions: [action],
      resources: [bucket.bucketArn],
      conditions: { StringLike: { 's3:prefix': prefixes.map((prefix) => `${prefix}*`) } },
    }),
  );
}

/** How cdk-nag writes the bucket's ARN: one stack's template refers to another's bucket by the name of an export. */
function nameInFindings(role: Role, { stack, bucketArn }: Bucket): string {
  if (Stack.of(role) !== stack) return stack.resolve(stack.exportValue(bucketArn))['Fn::ImportValue'];
  const [resource, attribute] = stack.resolve(bucketArn)['Fn::GetAtt'];
  return `<${resource}.${attribute}>`;
}
