import { ResponseType, type RestApi } from 'aws-cdk-lib/aws-apigateway';

/** What API Gateway answers by itself, by its own name for the case. The texts name the way on. */
const SENTENCES: readonly (readonly [ResponseType, string])[] = [
  [
    ResponseType.REQUEST_TOO_LARGE,
    'the request is too large: Lambda takes at most 6 MB, about 4.4 MB of binary tensors; send fewer rows at once, or ' +
      'compress the body and send Content-Encoding: gzip',
  ],
  [ResponseType.THROTTLED, 'more requests came than this API takes in a second; try again a little later'],
  [ResponseType.QUOTA_EXCEEDED, "the API key's quota is used up; it starts anew with the next month"],
  [
    ResponseType.INTEGRATION_TIMEOUT,
    'the model did not answer in time; send fewer rows at once, or deploy with a larger memoryMb',
  ],
  [
    ResponseType.MISSING_AUTHENTICATION_TOKEN,
    'the request carries no signature or token, or this API has no such path and method; expected a path of ' +
      'GET /openapi.json, with authentication',
  ],
  [ResponseType.INVALID_API_KEY, 'the API key is missing or wrong; expected a valid one in the header X-Api-Key'],
  [ResponseType.EXPIRED_TOKEN, 'the token or the credentials that signed the request have expired; get new ones'],
];

/** Answers that API Gateway makes by itself look like the function's: `{"error": …}`. */
export function addGatewayResponses(api: RestApi, allowOrigins: boolean): void {
  const add = (type: ResponseType, error: string): void => {
    api.addGatewayResponse(type.responseType, {
      type,
      templates: { 'application/json': `{"error":${error}}` },
      // Their texts are the same for everyone.
      ...(allowOrigins ? { responseHeaders: { 'Access-Control-Allow-Origin': "'*'" } } : {}),
    });
  };
  // `messageString` comes with its quotes.
  for (const type of [ResponseType.DEFAULT_4XX, ResponseType.DEFAULT_5XX]) add(type, '$context.error.messageString');
  for (const [type, sentence] of SENTENCES) add(type, JSON.stringify(sentence));
}
