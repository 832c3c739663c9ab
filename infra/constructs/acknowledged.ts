import { Stack, Validations } from 'aws-cdk-lib';
import type { Construct } from 'constructs';

// Findings of cdk-nag about rights that are as narrow as they can be. Each has its reason here, once.

/** Rights on what AWS gives no names to: tracing, tokens of ECR, metrics (of one namespace), the delivery of logs. */
export function acknowledgeNameless(role: Construct): void {
  Validations.of(role).acknowledge({
    id: 'AwsSolutions-IAM5[Resource::*]',
    reason: 'X-Ray, tokens of ECR, metrics of CloudWatch and deliveries of logs belong to no resource.',
  });
}

/** @param arn with a `*` for names that are not known when this is deployed */
export function acknowledgePattern(role: Construct, arn: string): void {
  Validations.of(role).acknowledge({
    id: `AwsSolutions-IAM5[Resource::${inFindings(Stack.of(role).resolve(arn))}]`,
    reason: 'A prefix of one kind of names: what comes behind it is not known when this is deployed.',
  });
}

/** How cdk-nag writes an ARN that CloudFormation puts together of parameters like the region. */
function inFindings(arn: unknown): string {
  if (typeof arn === 'string') return arn;
  const [[name, inner]] = Object.entries(arn as object) as [[string, never]];
  return name === 'Fn::Join' ? (inner[1] as unknown[]).map(inFindings).join(inner[0]) : `<${inner}>`;
}
