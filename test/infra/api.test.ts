import type { Template } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import { openApi } from '../../functions/http/openapi.ts';
import { deploymentWith, inferenceFunction, propertiesOf, type Resource, resourcesOf } from './deployments.ts';

const byDefault = deploymentWith().serving;

/** The methods of the API, as `POST /v2/models/{model}/infer`. */
function methodsOf(template: Template): { [method: string]: Resource } {
  const resources = resourcesOf(template, 'AWS::ApiGateway::Resource');
  const pathOf = (id: { Ref?: string }): string => {
    const resource = resources[id.Ref ?? ''];
    return resource === undefined ? '' : `${pathOf(resource.Properties.ParentId)}/${resource.Properties.PathPart}`;
  };
  const methods = Object.values(resourcesOf(template, 'AWS::ApiGateway::Method'));
  return Object.fromEntries(
    methods.map((method) => [`${method.Properties.HttpMethod} ${pathOf(method.Properties.ResourceId)}`, method]),
  );
}

const api = (template: Template) => propertiesOf(template, 'AWS::ApiGateway::RestApi');
const stage = (template: Template) => propertiesOf(template, 'AWS::ApiGateway::Stage');

test('has exactly the methods that the function answers on AWS', () => {
  const { paths } = openApi('title', '1.0.0', false) as { paths: { [path: string]: object } };
  const documented = Object.entries(paths).flatMap(([path, operations]) =>
    Object.keys(operations)
      .filter((key) => /^(get|post|put|delete)$/.test(key))
      .map((method) => `${method.toUpperCase()} ${path}`),
  );
  const parameters = (text: string): string => text.replace(/\{\w+\}/g, '{}');
  const deployed = Object.keys(methodsOf(byDefault));
  expect(deployed.map(parameters).sort()).toEqual(documented.map(parameters).sort());
});

test('takes every body as bytes, answers uncompressed, in the region', () => {
  expect(api(byDefault)).toMatchObject({
    BinaryMediaTypes: ['*/*'],
    EndpointConfiguration: { Types: ['REGIONAL'] },
  });
  expect(api(byDefault)).not.toHaveProperty('MinimumCompressionSize');
});

test('waits as long as the function may take, and every method calls its alias', () => {
  const { serving } = deploymentWith({ timeoutSeconds: 7 });
  const inference = inferenceFunction(serving);
  expect(inference.Timeout).toBe(7);
  const [alias] = Object.keys(resourcesOf(serving, 'AWS::Lambda::Alias'));
  for (const { Properties } of Object.values(methodsOf(serving))) {
    expect(Properties.Integration).toMatchObject({
      Type: 'AWS_PROXY',
      IntegrationHttpMethod: 'POST',
      TimeoutInMillis: 7_000,
    });
    expect(JSON.stringify(Properties.Integration.Uri)).toContain(`{"Ref":"${alias}"}`);
  }
});

test('is throttled, traced, and logged as JSON for as long as the configuration says', () => {
  const { serving } = deploymentWith({ throttleRatePerSecond: 7, throttleBurst: 9, logRetentionDays: 14 });
  expect(stage(serving)).toMatchObject({
    TracingEnabled: true,
    MethodSettings: [
      {
        HttpMethod: '*',
        ResourcePath: '/*',
        ThrottlingRateLimit: 7,
        ThrottlingBurstLimit: 9,
        LoggingLevel: 'ERROR',
        DataTraceEnabled: false,
      },
    ],
  });
  const { Format } = stage(serving).AccessLogSetting;
  expect(JSON.parse(Format)).toMatchObject({ status: '$context.status', ms: '$context.responseLatency' });
  const groups = Object.values(resourcesOf(serving, 'AWS::Logs::LogGroup'));
  expect(groups.map(({ Properties }) => Properties.RetentionInDays)).toEqual([14, 14, 14]);
});

describe('authentication', () => {
  test.each([
    ['iam', { AuthorizationType: 'AWS_IAM' }],
    ['api-key', { AuthorizationType: 'NONE', ApiKeyRequired: true }],
    [
      'cognito',
      {
        AuthorizationType: 'COGNITO_USER_POOLS',
        AuthorizerId: { Ref: expect.any(String) },
        AuthorizationScopes: [{ 'Fn::Join': ['', [{ Ref: expect.any(String) }, '/infer']] }],
      },
    ],
  ] as const)('%s: of every method, health among them', (authentication, expected) => {
    const methods = Object.values(methodsOf(deploymentWith({ authentication }).serving));
    expect(methods).toHaveLength(25);
    for (const { Properties } of methods) expect(Properties).toMatchObject(expected);
  });

  test.each(['iam', 'api-key', 'cognito'] as const)(
    '%s: publicHealth opens health, and nothing else',
    (authentication) => {
      const methods = methodsOf(deploymentWith({ authentication, publicHealth: true }).serving);
      const open = Object.entries(methods).filter(
        ([, { Properties }]) => Properties.AuthorizationType === 'NONE' && Properties.ApiKeyRequired !== true,
      );
      expect(open.map(([method]) => method).sort()).toEqual(['GET /v2/health/live', 'GET /v2/health/ready']);
    },
  );

  test('api-key: one key in a plan with throttle and quota', () => {
    const { serving } = deploymentWith({
      authentication: 'api-key',
      throttleRatePerSecond: 3,
      throttleBurst: 6,
      apiKeyQuotaPerMonth: 1000,
    });
    const plan = propertiesOf(serving, 'AWS::ApiGateway::UsagePlan');
    expect(plan).toMatchObject({
      Throttle: { RateLimit: 3, BurstLimit: 6 },
      Quota: { Limit: 1000, Period: 'MONTH' },
      ApiStages: [{ Stage: { Ref: expect.any(String) } }],
    });
    serving.resourceCountIs('AWS::ApiGateway::UsagePlanKey', 1);
    const key = propertiesOf(serving, 'AWS::ApiGateway::ApiKey');
    expect(key).toMatchObject({ Enabled: true });
    expect(key).not.toHaveProperty('Value');
  });

  test('cognito: programs get tokens for one scope, and nobody signs up', () => {
    const { serving } = deploymentWith({ authentication: 'cognito' });
    const client = propertiesOf(serving, 'AWS::Cognito::UserPoolClient');
    expect(client).toMatchObject({
      AllowedOAuthFlows: ['client_credentials'],
      GenerateSecret: true,
      AccessTokenValidity: 60,
    });
    const pool = propertiesOf(serving, 'AWS::Cognito::UserPool');
    expect(pool.AdminCreateUserConfig).toEqual({ AllowAdminCreateUserOnly: true });
  });
});

describe('what API Gateway answers by itself', () => {
  const responsesOf = (template: Template): { [type: string]: Resource['Properties'] } =>
    Object.fromEntries(
      Object.values(resourcesOf(template, 'AWS::ApiGateway::GatewayResponse')).map(({ Properties }) => [
        Properties.ResponseType,
        Properties,
      ]),
    );

  test('is {"error": …} like the function answers', () => {
    const responses = responsesOf(byDefault);
    expect(Object.keys(responses).sort()).toEqual([
      'DEFAULT_4XX',
      'DEFAULT_5XX',
      'EXPIRED_TOKEN',
      'INTEGRATION_TIMEOUT',
      'INVALID_API_KEY',
      'MISSING_AUTHENTICATION_TOKEN',
      'QUOTA_EXCEEDED',
      'REQUEST_TOO_LARGE',
      'THROTTLED',
    ]);
    for (const { ResponseTemplates } of Object.values(responses)) {
      // API Gateway puts the message in with its quotes.
      const text = ResponseTemplates['application/json'].replace('$context.error.messageString', '"Forbidden"');
      expect(JSON.parse(text)).toEqual({ error: expect.stringMatching(/\w/) });
    }
    expect(responses.REQUEST_TOO_LARGE.ResponseTemplates['application/json']).toMatch(/6 MB, about 4.4 MB of binary/);
  });

  test('keeps the status that API Gateway chose', () => {
    for (const response of Object.values(responsesOf(byDefault))) expect(response).not.toHaveProperty('StatusCode');
  });

  test('can be read by pages of other origins only where CORS is on', () => {
    for (const response of Object.values(responsesOf(byDefault)))
      expect(response).not.toHaveProperty('ResponseParameters');
    const { serving } = deploymentWith({ corsOrigins: ['https://example.com'] });
    for (const { ResponseParameters } of Object.values(responsesOf(serving))) {
      expect(ResponseParameters).toEqual({ 'gatewayresponse.header.Access-Control-Allow-Origin': "'*'" });
    }
  });
});

describe('CORS', () => {
  test('is off: no method for a preflight', () => {
    expect(Object.keys(methodsOf(byDefault)).filter((method) => method.startsWith('OPTIONS'))).toEqual([]);
  });

  test('with origins every path answers a preflight, as text, without authentication', () => {
    const methods = methodsOf(deploymentWith({ corsOrigins: ['https://example.com'] }).serving);
    const preflights = Object.entries(methods).filter(([method]) => method.startsWith('OPTIONS'));
    expect(preflights).toHaveLength(25);
    for (const [path, { Properties }] of preflights) {
      expect(Properties).toMatchObject({
        AuthorizationType: 'NONE',
        Integration: { Type: 'MOCK', ContentHandling: 'CONVERT_TO_TEXT' },
      });
      const [{ ResponseParameters }] = Properties.Integration.IntegrationResponses;
      expect(ResponseParameters['method.response.header.Access-Control-Allow-Origin']).toBe("'https://example.com'");
      const method = /(infer|explain|index)$/.test(path) ? 'POST' : 'GET';
      expect(ResponseParameters['method.response.header.Access-Control-Allow-Methods']).toBe(`'${method}'`);
      expect(ResponseParameters['method.response.header.Access-Control-Allow-Headers']).toContain(
        'Inference-Header-Content-Length',
      );
    }
  });
});
