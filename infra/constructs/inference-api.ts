import { Aws, Duration, RemovalPolicy, Validations } from 'aws-cdk-lib';
import {
  AccessLogField,
  AccessLogFormat,
  AuthorizationType,
  type CfnMethod,
  ContentHandling,
  EndpointType,
  Integration,
  IntegrationType,
  type IResource,
  LogGroupLogDestination,
  MethodLoggingLevel,
  type MethodOptions,
  RestApi,
} from 'aws-cdk-lib/aws-apigateway';
import { ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Alias } from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { DeploymentConfig } from '../config.ts';
import { Authentication } from './authentication.ts';
import { addGatewayResponses } from './gateway-responses.ts';

/** The API's paths and their methods. */
const PATHS: readonly (readonly ['GET' | 'POST', string])[] = [
  ['GET', 'v2'],
  ['GET', 'v2/health/live'],
  ['GET', 'v2/health/ready'],
  ['GET', 'v2/models'],
  ['GET', 'v2/models/stats'],
  ['POST', 'v2/repository/index'],
  ['POST', 'v2/repository/{repository}/index'],
  ...['v2/models/{model}', 'v2/models/{model}/versions/{version}'].flatMap((model) => [
    ['GET', model] as const,
    ['GET', `${model}/ready`] as const,
    ['GET', `${model}/config`] as const,
    ['GET', `${model}/stats`] as const,
    ['POST', `${model}/infer`] as const,
    ['POST', `${model}/explain`] as const,
  ]),
  ['GET', 'v2/models/{model}/release'],
  ['GET', 'v2/models/{model}/samples'],
  ['GET', 'v2/models/{model}/samples/{file}'],
  ['GET', 'v2/models/{model}/versions/{version}/metrics'],
  ['GET', 'v2/models/{model}/versions/{version}/report'],
  ['GET', 'openapi.json'],
];
const STAGE = 'api';

/** The REST API of the Open Inference Protocol in front of the function. */
export class InferenceApi extends Construct {
  readonly api: RestApi;
  /** Without a slash at its end: paths of the protocol follow. */
  readonly url: string;

  constructor(scope: Construct, id: string, config: DeploymentConfig, target: Alias) {
    super(scope, id);
    const accessLog = new LogGroup(this, 'AccessLog', {
      retention: config.logRetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.api = new RestApi(this, 'Api', {
      description: 'Open Inference Protocol V2',
      endpointTypes: [EndpointType.REGIONAL],
      // tritonclient sends neither Content-Type nor Accept: only with everything binary do its tensors arrive whole.
      binaryMediaTypes: ['*/*'],
      // API Gateway's role for logs is the account's: it stays when this API goes.
      cloudWatchRole: true,
      cloudWatchRoleRemovalPolicy: RemovalPolicy.RETAIN,
      deployOptions: {
        stageName: STAGE,
        throttlingRateLimit: config.throttleRatePerSecond,
        throttlingBurstLimit: config.throttleBurst,
        tracingEnabled: true,
        loggingLevel: MethodLoggingLevel.ERROR,
        accessLogDestination: new LogGroupLogDestination(accessLog),
        accessLogFormat: ACCESS_LOG_FORMAT,
      },
    });
    const { restApiId } = this.api;
    this.url = `https://${restApiId}.execute-api.${Aws.REGION}.${Aws.URL_SUFFIX}/${STAGE}`;
    // CDK's own output of it, under a name that few would guess.
    this.api.node.tryRemoveChild('Endpoint');
    Validations.of(this.api).acknowledge(
      {
        id: 'AwsSolutions-APIG2',
        reason: 'The function checks requests: API Gateway has no words for tensors, and none for binary ones.',
      },
      {
        id: 'AwsSolutions-APIG3',
        reason: 'A web ACL costs money without a request; webAclRequestsPer5Minutes adds one.',
      },
      {
        id: 'AwsSolutions-APIG4',
        reason: 'Every method asks for what the configuration says: an API key with api-key, nothing for publicHealth.',
      },
      {
        id: 'AwsSolutions-COG4',
        reason: 'Cognito is one of the three ways to authenticate, and chosen in the configuration.',
      },
      {
        id: `AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs]`,
        reason: 'The role that writes the logs of all APIs of an account is made for this policy.',
      },
    );
    const authentication = new Authentication(this, 'Authentication', config);
    const integration = proxyTo(target, config);
    const open: MethodOptions = { authorizationType: AuthorizationType.NONE };
    for (const [method, path] of PATHS) {
      const resource = this.api.root.resourceForPath(path);
      const isOpen = config.publicHealth && path.startsWith('v2/health/');
      resource.addMethod(method, integration, isOpen ? open : authentication.method);
      if (config.corsOrigins.length > 0) addPreflight(resource, method, config.corsOrigins);
    }
    addGatewayResponses(this.api, config.corsOrigins.length > 0);
    authentication.attach(this.api);
    // One permission for all methods, where CDK's integration would make two for each.
    target.addPermission('Api', {
      principal: new ServicePrincipal('apigateway.amazonaws.com'),
      sourceArn: this.api.arnForExecuteApi('*', '/*', STAGE),
    });
  }
}

function proxyTo(target: Alias, { timeoutSeconds }: DeploymentConfig): Integration {
  const invoke = `lambda:path/2015-03-31/functions/${target.functionArn}/invocations`;
  return new Integration({
    type: IntegrationType.AWS_PROXY,
    integrationHttpMethod: 'POST',
    uri: `arn:${Aws.PARTITION}:apigateway:${Aws.REGION}:${invoke}`,
    options: { timeout: Duration.seconds(timeoutSeconds) },
  });
}

function addPreflight(resource: IResource, method: string, origins: readonly string[]): void {
  const preflight = resource.addCorsPreflight({
    allowOrigins: [...origins],
    allowMethods: [method],
    allowHeaders: [
      'Accept-Encoding',
      'Authorization',
      'Content-Encoding',
      'Content-Type',
      'Inference-Header-Content-Length',
      'X-Amz-Content-Sha256',
      'X-Amz-Date',
      'X-Amz-Security-Token',
      'X-Api-Key',
      'X-Caller-Id',
      'X-Request-Id',
    ],
    maxAge: Duration.hours(1),
  });
  // The answer is made of a text, which API Gateway otherwise takes for binary, like everything here, and fails.
  (preflight.node.defaultChild as CfnMethod).addPropertyOverride(
    'Integration.ContentHandling',
    ContentHandling.CONVERT_TO_TEXT,
  );
}

/** Field names as in the function's own log lines, where both have them. */
const ACCESS_LOG_FORMAT = AccessLogFormat.custom(
  JSON.stringify({
    time: AccessLogField.contextRequestTime(),
    id: AccessLogField.contextRequestId(),
    trace: AccessLogField.contextXrayTraceId(),
    ip: AccessLogField.contextIdentitySourceIp(),
    caller: AccessLogField.contextIdentityUserArn(),
    method: AccessLogField.contextHttpMethod(),
    path: AccessLogField.contextPath(),
    status: AccessLogField.contextStatus(),
    ms: AccessLogField.contextResponseLatency(),
    integration_ms: AccessLogField.contextIntegrationLatency(),
    bytes_out: AccessLogField.contextResponseLength(),
    error: AccessLogField.contextErrorResponseType(),
  }),
);
