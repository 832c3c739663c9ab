import { Aws, Validations } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import type { Construct } from 'constructs';
import type { DeploymentConfig } from '../config.ts';

/** Where a stack tells people something: whoever subscribes, and the address of the configuration. */
export function topicForPeople(scope: Construct, displayName: string, { alarmEmail }: DeploymentConfig): Topic {
  const topic = new Topic(scope, 'Topic', { displayName, enforceSSL: true });
  if (alarmEmail !== undefined) topic.addSubscription(new EmailSubscription(alarmEmail));
  // The topic's policy, which refuses plain HTTP, stands in place of SNS's own, which would let alarms of the account in.
  topic.addToResourcePolicy(
    new PolicyStatement({
      actions: ['sns:Publish'],
      principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
      resources: [topic.topicArn],
      conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
    }),
  );
  Validations.of(topic).acknowledge({
    id: 'Serverless-SNSRedrivePolicy',
    reason: 'SNS repeats an e-mail for hours, and what it says stays to be seen.',
  });
  return topic;
}
