// The Lambda function's entry. This part runs in INIT: at full CPU, once for each execution environment.

import { jsonLog } from '../adapters/json-log.ts';
import { readLambdaSettings } from './lambda-env.ts';
import { startLambdaService } from './lambda-service.ts';

/** At once: the process is frozen after each answer. */
const write = (line: string): void => void process.stdout.write(line);

export const handler = await startLambdaService(
  readLambdaSettings(process.env),
  {
    memoryMb: Number(process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE),
    cache: '/tmp/models',
    isForSnapshot: process.env.AWS_LAMBDA_INITIALIZATION_TYPE === 'snap-start',
  },
  jsonLog(write),
  write,
);
