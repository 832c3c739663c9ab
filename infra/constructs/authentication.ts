import { Aws, CfnOutput, Duration, Names, Validations } from 'aws-cdk-lib';
import {
  ApiKey,
  AuthorizationType,
  CognitoUserPoolsAuthorizer,
  type MethodOptions,
  Period,
  type RestApi,
} from 'aws-cdk-lib/aws-apigateway';
import { Mfa, OAuthScope, ResourceServerScope, UserPool } from 'aws-cdk-lib/aws-cognito';
import { Construct } from 'constructs';
import type { DeploymentConfig } from '../config.ts';

/** How callers show who they are: what each method of the API asks for, and the parts behind it. */
export class Authentication extends Construct {
  /** Of every method that is protected. */
  readonly method: MethodOptions;
  readonly #config: DeploymentConfig;

  constructor(scope: Construct, id: string, config: DeploymentConfig) {
    super(scope, id);
    this.#config = config;
    this.method = {
      iam: (): MethodOptions => ({ authorizationType: AuthorizationType.IAM }),
      'api-key': (): MethodOptions => ({ authorizationType: AuthorizationType.NONE, apiKeyRequired: true }),
      cognito: (): MethodOptions => this.#cognito(),
    }[config.authentication]();
  }

  /** Makes what refers to the stage; call it once all methods are there. */
  attach(api: RestApi): void {
    const { authentication, throttleRatePerSecond, throttleBurst, apiKeyQuotaPerMonth } = this.#config;
    if (authentication !== 'api-key') return;
    const key = new ApiKey(this, 'ApiKey');
    const plan = api.addUsagePlan('UsagePlan', {
      apiStages: [{ stage: api.deploymentStage }],
      throttle: { rateLimit: throttleRatePerSecond, burstLimit: throttleBurst },
      ...(apiKeyQuotaPerMonth === undefined ? {} : { quota: { limit: apiKeyQuotaPerMonth, period: Period.MONTH } }),
    });
    plan.addApiKey(key);
    new CfnOutput(this, 'ApiKeyId', {
      description: 'aws apigateway get-api-key --include-value --query value --output text --api-key ID shows the key',
      value: key.keyId,
    });
  }

  /** Programs exchange a client id and secret for a token of an hour (OAuth 2.0, client credentials). */
  #cognito(): MethodOptions {
    const pool = new UserPool(this, 'UserPool', {
      selfSignUpEnabled: false,
      mfa: Mfa.REQUIRED,
      mfaSecondFactor: { otp: true, sms: false },
      passwordPolicy: {
        minLength: 12,
        requireLowercase: true,
        requireUppercase: true,
        requireDigits: true,
        requireSymbols: true,
      },
    });
    Validations.of(pool).acknowledge({
      id: 'AwsSolutions-COG8',
      reason: 'Its callers are programs, and the Plus plan protects the passwords of people.',
    });
    const infer = new ResourceServerScope({ scopeName: 'infer', scopeDescription: 'Call the models' });
    const server = pool.addResourceServer('Api', { identifier: 'serverless-onnx', scopes: [infer] });
    const scope = OAuthScope.resourceServer(server, infer);
    const client = pool.addClient('Client', {
      generateSecret: true,
      accessTokenValidity: Duration.hours(1),
      oAuth: { flows: { clientCredentials: true }, scopes: [scope] },
    });
    // Domains of all accounts share one name space.
    const prefix = Names.uniqueResourceName(this, { maxLength: 40, separator: '-' }).toLowerCase();
    const domain = pool.addDomain('Domain', { cognitoDomain: { domainPrefix: `${prefix}-${Aws.ACCOUNT_ID}` } });
    new CfnOutput(this, 'TokenUrl', { value: `${domain.baseUrl()}/oauth2/token` });
    new CfnOutput(this, 'ClientId', {
      description: 'aws cognito-idp describe-user-pool-client shows its secret',
      value: client.userPoolClientId,
    });
    new CfnOutput(this, 'UserPoolId', { value: pool.userPoolId });
    return {
      authorizationType: AuthorizationType.COGNITO,
      authorizer: new CognitoUserPoolsAuthorizer(this, 'Authorizer', { cognitoUserPools: [pool] }),
      authorizationScopes: [scope.scopeName],
    };
  }
}
