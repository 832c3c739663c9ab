import { Stack, Validations } from 'aws-cdk-lib';
import { PolicyStatement, type Role } from 'aws-cdk-lib/aws-iam';
import type { Bucket } from 'aws-cdk-lib/aws-s3';

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
  Validations.of(role).acknowledge({
    id: `AwsSolutions-IAM5[Resource::${nameInFindings(role, bucket)}/${pattern}]`,
    reason: 'A prefix of one bucket: the names of the models below it are not known when this is deployed.',
  });
}

/** How cdk-nag writes the bucket's ARN: one stack's template refers to another's bucket by the name of an export. */
function nameInFindings(role: Role, { stack, bucketArn }: Bucket): string {
  if (Stack.of(role) !== stack) return stack.resolve(stack.exportValue(bucketArn))['Fn::ImportValue'];
  const [resource, attribute] = stack.resolve(bucketArn)['Fn::GetAtt'];
  return `<${resource}.${attribute}>`;
}
