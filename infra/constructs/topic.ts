import { Validations } from 'aws-cdk-lib';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import type { Construct } from 'constructs';
import type { DeploymentConfig } from '../config.ts';

/** Where a stack tells people something: whoever subscribes, and the address of the configuration. */
export function topicForPeople(scope: Construct, displayName: string, { alarmEmail }: DeploymentConfig): Topic {
  const topic = new Topic(scope, 'Topic', { displayName, enforceSSL: true });
  if (alarmEmail !== undefined) topic.addSubscription(new EmailSubscription(alarmEmail));
  Validations.of(topic).acknowledge({
    id: 'Serverless-SNSRedrivePolicy',
    reason: 'SNS repeats an e-mail for hours, and what it says stays to be seen.',
  });
  return topic;
}
