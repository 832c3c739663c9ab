import { DeleteMessageCommand, type Message, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { FailedRuns, WaitingRun } from '../retrain/ports.ts';

/** Of one call; the API gives no more. */
const BATCH = 10;
/** Nobody else is given what was read for so long: until it is started again, which takes a second each. */
const VISIBILITY_SECONDS = 120;
const WAIT_SECONDS = 1;

/** The queue that the workflow puts runs into that failed. What is read and not removed is there again after two minutes. */
export class SqsFailedRuns implements FailedRuns {
  readonly #client = new SQSClient();
  readonly #queueUrl: string;
  readonly #handles = new Map<WaitingRun, string>();

  constructor(queueUrl: string) {
    this.#queueUrl = queueUrl;
  }

  async waiting(model: string | undefined): Promise<readonly WaitingRun[]> {
    const runs: WaitingRun[] = [];
    for (let messages = await this.#receive(); messages.length > 0; messages = await this.#receive()) {
      for (const { Body = '', ReceiptHandle = '' } of messages) {
        const run = JSON.parse(Body) as WaitingRun;
        if (model !== undefined && run.model !== model) continue;
        this.#handles.set(run, ReceiptHandle);
        runs.push(run);
      }
    }
    return runs;
  }

  async remove(run: WaitingRun): Promise<void> {
    const ReceiptHandle = this.#handles.get(run);
    await this.#client.send(new DeleteMessageCommand({ QueueUrl: this.#queueUrl, ReceiptHandle }));
  }

  async #receive(): Promise<readonly Message[]> {
    const { Messages = [] } = await this.#client.send(
      new ReceiveMessageCommand({
        QueueUrl: this.#queueUrl,
        MaxNumberOfMessages: BATCH,
        VisibilityTimeout: VISIBILITY_SECONDS,
        WaitTimeSeconds: WAIT_SECONDS,
      }),
    );
    return Messages;
  }
}
