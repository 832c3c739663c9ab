import type { RestApi } from 'aws-cdk-lib/aws-apigateway';
import { CfnWebACL, CfnWebACLAssociation } from 'aws-cdk-lib/aws-wafv2';
import { Construct } from 'constructs';

/** A web application firewall before the API: AWS's common rules, and a limit for each address. */
export class WebAcl extends Construct {
  constructor(scope: Construct, id: string, requestsPer5Minutes: number, api: RestApi) {
    super(scope, id);
    const visibility = (metricName: string): CfnWebACL.VisibilityConfigProperty => ({
      cloudWatchMetricsEnabled: true,
      sampledRequestsEnabled: true,
      metricName,
    });
    const acl = new CfnWebACL(this, 'Acl', {
      scope: 'REGIONAL',
      defaultAction: { allow: {} },
      visibilityConfig: visibility('WebAcl'),
      rules: [
        {
          name: 'RequestsOfOneAddress',
          priority: 0,
          action: { block: {} },
          statement: { rateBasedStatement: { aggregateKeyType: 'IP', limit: requestsPer5Minutes } },
          visibilityConfig: visibility('RequestsOfOneAddress'),
        },
        {
          name: 'CommonRules',
          priority: 1,
          overrideAction: { none: {} },
          statement: {
            managedRuleGroupStatement: {
              vendorName: 'AWS',
              name: 'AWSManagedRulesCommonRuleSet',
              // Tensors are larger than its 8 KB, and their bytes look like anything.
              ruleActionOverrides: [
                'SizeRestrictions_BODY',
                'CrossSiteScripting_BODY',
                'GenericLFI_BODY',
                'GenericRFI_BODY',
                'EC2MetaDataSSRF_BODY',
              ].map((name) => ({ name, actionToUse: { count: {} } })),
            },
          },
          visibilityConfig: visibility('CommonRules'),
        },
      ],
    });
    new CfnWebACLAssociation(this, 'Association', {
      webAclArn: acl.attrArn,
      resourceArn: api.deploymentStage.stageArn,
    });
  }
}
