import { CfnBudget } from 'aws-cdk-lib/aws-budgets';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Topic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';

/** The services that a deployment spends on. */
const SERVICES = [
  'AWS Lambda',
  'Amazon API Gateway',
  'Amazon Simple Storage Service',
  'Amazon SageMaker',
  'AmazonCloudWatch',
];
const WARN_AT_PERCENT = 80;

/** Tells when the account has spent, or will spend, most of a month's budget on the services of the deployment. */
export class MonthlyBudget extends Construct {
  constructor(scope: Construct, id: string, usd: number, topic: Topic) {
    super(scope, id);
    const notify = (notificationType: 'ACTUAL' | 'FORECASTED', threshold: number) => ({
      notification: { notificationType, threshold, comparisonOperator: 'GREATER_THAN', thresholdType: 'PERCENTAGE' },
      subscribers: [{ subscriptionType: 'SNS', address: topic.topicArn }],
    });
    const budget = new CfnBudget(this, 'Budget', {
      budget: {
        budgetType: 'COST',
        timeUnit: 'MONTHLY',
        budgetLimit: { amount: usd, unit: 'USD' },
        costFilters: { Service: SERVICES },
      },
      notificationsWithSubscribers: [notify('ACTUAL', WARN_AT_PERCENT), notify('FORECASTED', 100)],
    });
    const allowed = topic.addToResourcePolicy(
      new PolicyStatement({
        actions: ['sns:Publish'],
        principals: [new ServicePrincipal('budgets.amazonaws.com')],
        resources: [topic.topicArn],
      }),
    );
    if (allowed.policyDependable !== undefined) budget.node.addDependency(allowed.policyDependable);
  }
}
