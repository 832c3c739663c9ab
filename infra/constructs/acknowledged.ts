import { Validations } from 'aws-cdk-lib';
import type { Construct } from 'constructs';

// Findings of cdk-nag about rights that are as narrow as they can be. Each has its reason here, once.

/** Rights on what AWS gives no names to: tracing, tokens of ECR, metrics (of one namespace), the delivery of logs. */
export function acknowledgeNameless(role: Construct): void {
  Validations.of(role).acknowledge({
    id: 'AwsSolutions-IAM5[Resource::*]',
    reason: 'X-Ray, tokens of ECR, metrics of CloudWatch and deliveries of logs belong to no resource.',
  });
}

/** @param resource as it stands in findings, with a `*` for names that are not known when this is deployed */
export function acknowledgePattern(role: Construct, resource: string): void {
  Validations.of(role).acknowledge({
    id: `AwsSolutions-IAM5[Resource::${resource}]`,
    reason: 'A prefix of one kind of names: what comes behind it is not known when this is deployed.',
  });
}
