// The Lambda function in a process of its own, which can be stopped between two requests, as Lambda does it. It answers
// each line on standard input, the name of a model, with a line of JSON: the status, the version, and the milliseconds it took.

import { createInterface } from 'node:readline';
import { readLambdaSettings } from '../../functions/serve/lambda-env.ts';
import { startLambdaService } from '../../functions/serve/lambda-service.ts';

const [cache = ''] = process.argv.slice(2);
const log = { info() {}, warn() {}, error: (fields: object) => console.error(fields) };
const machine = { memoryMb: 1769, cache, isForSnapshot: false };
const handle = await startLambdaService(readLambdaSettings(process.env), machine, log, () => {});
const body = '{"inputs":[{"name":"INPUT0","shape":[1,1],"datatype":"FP32","data":[1]}]}';
console.log('ready');
for await (const model of createInterface(process.stdin)) {
  const started = performance.now();
  const event = {
    httpMethod: 'POST',
    path: `/v2/models/${model}/infer`,
    multiValueHeaders: {},
    body,
    isBase64Encoded: false,
  };
  const { statusCode, headers, body: text } = await handle(event, { awsRequestId: 'a-request' });
  const { model_version: version } = JSON.parse(text) as { model_version?: string };
  const ms = Math.round(performance.now() - started);
  console.log(JSON.stringify({ status: statusCode, version, retryAfter: headers?.['retry-after'], ms }));
}
