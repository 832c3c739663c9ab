// The loop of retraining on a deployment, as it is seen from outside.

import { setTimeout as sleep } from 'node:timers/promises';
import { GetObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { ListExecutionsCommand } from '@aws-sdk/client-sfn';
import { type SNSClient, SubscribeCommand } from '@aws-sdk/client-sns';
import { CreateQueueCommand, GetQueueAttributesCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { isTerminal, type LedgerEntry } from '../../functions/retrain/ledger.ts';
import { type Clients, TrainingWorker } from './training-worker.ts';
import { Uploads } from './uploads.ts';

export type Deployed = {
  readonly outputs: { readonly [output: string]: string };
  readonly clients: Clients & { readonly sns: SNSClient };
};

/** As SNS writes it into a queue. */
type Told = { readonly MessageAttributes: { readonly [name: string]: { readonly Value: string } } };

/** Of the model that is retrained. */
const MODEL = 'digits';
const RUN_MS = 240_000;

export class Loop {
  readonly uploads: Uploads;
  readonly worker: TrainingWorker;
  readonly #deployed: Deployed;
  /** The URL of a queue that gets what people are told. */
  readonly #inbox: string;
  readonly #told: Told[] = [];

  /** Subscribes to what people are told, and begins to train what is asked for. */
  static async open(deployed: Deployed): Promise<Loop> {
    const { outputs, clients } = deployed;
    const { QueueUrl = '' } = await clients.sqs.send(new CreateQueueCommand({ QueueName: 'inbox' }));
    const ask = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] });
    const { Attributes } = await clients.sqs.send(ask);
    const subscription = { TopicArn: outputs.RetrainingTopic, Protocol: 'sqs', Endpoint: Attributes?.QueueArn };
    await clients.sns.send(new SubscribeCommand(subscription));
    return new Loop(deployed, QueueUrl);
  }

  private constructor(deployed: Deployed, inbox: string) {
    const { outputs, clients } = deployed;
    this.#deployed = deployed;
    this.#inbox = inbox;
    this.uploads = new Uploads(clients.s3, outputs.DatasetBucket ?? '');
    this.worker = new TrainingWorker(clients, outputs.TrainingRequests ?? '');
  }

  async close(): Promise<void> {
    await this.worker.stop();
  }

  /** An object of the model bucket. */
  async object(key: string): Promise<Uint8Array> {
    const { outputs, clients } = this.#deployed;
    const { Body } = await clients.s3.send(new GetObjectCommand({ Bucket: outputs.ModelBucket, Key: key }));
    return (await Body?.transformToByteArray()) ?? new Uint8Array();
  }

  /** The keys of the model's own objects. */
  async modelKeys(): Promise<string[]> {
    const { outputs, clients } = this.#deployed;
    const list = { Bucket: outputs.ModelBucket, Prefix: `models/${MODEL}/` };
    const { Contents = [] } = await clients.s3.send(new ListObjectsV2Command(list));
    return Contents.map(({ Key = '' }) => Key);
  }

  /** What the ledger says of an upload in the end. */
  async ended(id: string): Promise<LedgerEntry> {
    let entry: LedgerEntry | undefined;
    for (const end = Date.now() + RUN_MS; Date.now() < end; await sleep(500)) {
      const found = await this.object(`control/ledger/${MODEL}/${id}.json`).catch(() => undefined);
      entry = found && JSON.parse(new TextDecoder().decode(found));
      if (entry !== undefined && isTerminal(entry.state)) return entry;
    }
    throw new Error(`upload ${id} did not come to an end: ${JSON.stringify(entry)}`);
  }

  /** The names of all executions, sorted. */
  async executions(): Promise<string[]> {
    const { outputs, clients } = this.#deployed;
    const stateMachineArn = outputs[`StateMachine${MODEL}`];
    const { executions = [] } = await clients.sfn.send(new ListExecutionsCommand({ stateMachineArn }));
    return executions.map(({ name = '' }) => name).sort();
  }

  /** What people were told up to now: id, state and code of each message, sorted. */
  async told(): Promise<(string | undefined)[][]> {
    const { sqs } = this.#deployed.clients;
    const receive = { QueueUrl: this.#inbox, MaxNumberOfMessages: 10, WaitTimeSeconds: 2, VisibilityTimeout: 3_600 };
    for (let more = true; more; ) {
      const { Messages = [] } = await sqs.send(new ReceiveMessageCommand(receive));
      this.#told.push(...Messages.map(({ Body = '' }) => JSON.parse(Body)));
      more = Messages.length > 0;
    }
    const fields = ['id', 'state', 'code'];
    return this.#told.map(({ MessageAttributes: found }) => fields.map((name) => found[name]?.Value)).sort();
  }

  /** How many runs wait to be started again. */
  async failedRuns(): Promise<number> {
    const ask = {
      QueueUrl: this.#deployed.outputs.FailedRuns,
      AttributeNames: ['ApproximateNumberOfMessages' as const],
    };
    const { Attributes } = await this.#deployed.clients.sqs.send(new GetQueueAttributesCommand(ask));
    return Number(Attributes?.ApproximateNumberOfMessages);
  }
}
