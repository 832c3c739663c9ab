// The Lambda function that looks at a data set when something was uploaded: messages of SQS, each with an event of S3.

import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { answerUploads } from '../uploads.ts';
import { loop } from './loop.ts';

/** Answers with the messages that are to come again; three times at most, then they are in the dead-letter queue. */
export async function handler({ Records }: SQSEvent): Promise<SQSBatchResponse> {
  const { gatekeeper } = loop();
  const failed = await answerUploads(
    Records.map(({ messageId, body }) => ({ id: messageId, body })),
    (model) => gatekeeper.consider(model),
    (line) => console.log(JSON.stringify(line)),
  );
  return { batchItemFailures: failed.map((itemIdentifier) => ({ itemIdentifier })) };
}
