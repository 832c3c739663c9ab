import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import type { DeploymentConfig } from '../config.ts';
import { ServingAlarms } from '../constructs/alarms.ts';
import { MonthlyBudget } from '../constructs/budget.ts';
import { CanaryGuard } from '../constructs/canary-guard.ts';
import { CustomDomain } from '../constructs/custom-domain.ts';
import { ServingDashboard } from '../constructs/dashboard.ts';
import { InferenceApi } from '../constructs/inference-api.ts';
import { InferenceFunction } from '../constructs/inference-function.ts';
import type { ServingCode } from '../constructs/serving-code.ts';
import { WebAcl } from '../constructs/web-acl.ts';

export type ServingStackProps = StackProps & {
  readonly config: DeploymentConfig;
  readonly image: ServingCode;
  readonly repository: Bucket;
  /** Models whose sessions are made before the first request. */
  readonly preloadModels: readonly string[];
  /** Models whose canaries are watched. */
  readonly models: readonly string[];
};

/** The models as a service: the function, the API in front of it, and what watches both. */
export class ServingStack extends Stack {
  constructor(scope: Construct, id: string, props: ServingStackProps) {
    super(scope, id, props);
    const { image, config, repository, preloadModels, models } = props;
    // A namespace for each deployment: two of them in one account do not mix.
    const metricsNamespace = id;
    const { alias } = new InferenceFunction(this, 'Inference', {
      image,
      config,
      repository,
      preloadModels,
      metricsNamespace,
    });
    const { api, url } = new InferenceApi(this, 'Rest', config, alias);
    const watched = { config, api, alias, metricsNamespace };
    const { topic } = new ServingAlarms(this, 'Alarms', watched);
    if (config.modelRepository === 's3') {
      const { logRetentionDays } = config;
      new CanaryGuard(this, 'CanaryGuard', { repository, models, metricsNamespace, topic, logRetentionDays });
    }
    new ServingDashboard(this, 'Dashboard', watched);
    const { monthlyBudgetUsd, webAclRequestsPer5Minutes, customDomainName, customDomainCertificateArn } = config;
    if (monthlyBudgetUsd !== undefined) new MonthlyBudget(this, 'Budget', monthlyBudgetUsd, topic);
    if (webAclRequestsPer5Minutes !== undefined) new WebAcl(this, 'Firewall', webAclRequestsPer5Minutes, api);
    if (customDomainName !== undefined && customDomainCertificateArn !== undefined) {
      new CustomDomain(this, 'Domain', customDomainName, customDomainCertificateArn, api);
    }
    new CfnOutput(this, 'ApiUrl', { description: 'Where the models are served', value: url });
    new CfnOutput(this, 'AlarmTopic', { description: 'The SNS topic of all alarms', value: topic.topicArn });
  }
}
