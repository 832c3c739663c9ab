import { RemovalPolicy, Validations } from 'aws-cdk-lib';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';

/**
 * The role of one Lambda function, which may write to that function's own log and nothing else. (AWS's managed policy
 * for it would allow every log of the account.)
 */
export function functionRole(scope: Construct, logRetentionDays: number): { role: Role; logGroup: LogGroup } {
  const logGroup = new LogGroup(scope, 'Logs', { retention: logRetentionDays, removalPolicy: RemovalPolicy.DESTROY });
  const role = new Role(scope, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
  role.addToPolicy(
    new PolicyStatement({
      actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      resources: [logGroup.logGroupArn],
    }),
  );
  Validations.of(scope).acknowledge({
    id: 'Serverless-LambdaDLQ',
    reason: 'Whoever calls waits for the answer, and an error is one: no event can be lost.',
  });
  return { role, logGroup };
}
