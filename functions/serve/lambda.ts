// The Lambda function's entry. This part runs in INIT: at full CPU, once for each execution environment.

import { functionLog } from '../adapters/pino-log.ts';
import { readLambdaSettings } from './lambda-env.ts';
import { startLambdaService } from './lambda-service.ts';

export const handler = await startLambdaService(
  readLambdaSettings(process.env),
  {
    memoryMb: Number(process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE),
    cache: '/tmp/models',
    isForSnapshot: process.env.AWS_LAMBDA_INITIALIZATION_TYPE === 'snap-start',
  },
  functionLog(),
  (line) => process.stdout.write(line),
);
