// Who trains where there is no SageMaker: takes its requests from the queue of `-c trainer=callback`, and runs them under
// SageMaker's own toolkit.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { S3Client } from '@aws-sdk/client-s3';
import { SendTaskFailureCommand, SendTaskSuccessCommand, type SFNClient } from '@aws-sdk/client-sfn';
import { DeleteMessageCommand, ReceiveMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { wrongIn } from '../infra/wrong-requests.ts';
import { startTrainingJob } from '../setup/sagemaker.ts';
import { download, upload } from './folders-in-s3.ts';

export type Clients = { readonly s3: S3Client; readonly sqs: SQSClient; readonly sfn: SFNClient };

/** The part of CreateTrainingJob's request that is read; botocore has held it against the whole. */
export type TrainingRequest = {
  readonly TrainingJobName: string;
  readonly HyperParameters: { readonly [name: string]: string };
  readonly InputDataConfig: readonly {
    readonly ChannelName: string;
    readonly DataSource: { readonly S3DataSource: { readonly S3Uri: string } };
  }[];
  readonly OutputDataConfig: { readonly S3OutputPath: string };
  readonly ResourceConfig: { readonly InstanceCount: number };
  readonly CheckpointConfig?: { readonly S3Uri: string };
};

type Message = { readonly taskToken: string; readonly action: string; readonly request: TrainingRequest };

/** How the API names a failure of a state. */
type Failure = { readonly error: string; readonly cause: string };

/** Longer than a job takes here: a message is nobody else's meanwhile. */
const LONGEST_JOB_SECONDS = 600;
/** What SageMaker shows of a failure. */
const MAX_CAUSE = 1_024;

export class TrainingWorker {
  /** What was asked for, in its order. */
  readonly requests: TrainingRequest[] = [];
  readonly #clients: Clients;
  readonly #queue: string;
  readonly #ended = new AbortController();
  readonly #working: Promise<void>;

  /** @param queue the URL of the queue of requests */
  constructor(clients: Clients, queue: string) {
    this.#clients = clients;
    this.#queue = queue;
    this.#working = this.#work();
    // Told by `stop`.
    this.#working.catch(() => {});
  }

  /** @throws Error where it could not go on */
  async stop(): Promise<void> {
    this.#ended.abort();
    await this.#working;
  }

  async #work(): Promise<void> {
    const { sqs } = this.#clients;
    const receive = { QueueUrl: this.#queue, WaitTimeSeconds: 1, VisibilityTimeout: LONGEST_JOB_SECONDS };
    while (!this.#ended.signal.aborted) {
      const { Messages = [] } = await sqs.send(new ReceiveMessageCommand(receive));
      for (const { Body = '', ReceiptHandle } of Messages) {
        await this.#answer(JSON.parse(Body));
        await sqs.send(new DeleteMessageCommand({ QueueUrl: this.#queue, ReceiptHandle }));
      }
    }
  }

  async #answer({ taskToken, action, request }: Message): Promise<void> {
    const { sfn } = this.#clients;
    this.requests.push(request);
    const answer = await this.#createTrainingJob(action, request);
    if ('error' in answer) await sfn.send(new SendTaskFailureCommand({ taskToken, ...answer }));
    else await sfn.send(new SendTaskSuccessCommand({ taskToken, output: JSON.stringify(answer) }));
  }

  /** @returns what DescribeTrainingJob would say at the end, as `createTrainingJob.sync` answers */
  async #createTrainingJob(action: string, request: TrainingRequest): Promise<object | Failure> {
    const [wrong] = action === 'createTrainingJob' ? await wrongIn('CreateTrainingJob', [request]) : [`no ${action}`];
    if (wrong) return { error: 'SageMaker.ValidationException', cause: wrong };
    const { s3 } = this.#clients;
    const { TrainingJobName, OutputDataConfig, CheckpointConfig } = request;
    const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-channels-'));
    try {
      for (const { ChannelName, DataSource } of request.InputDataConfig) {
        await download(s3, DataSource.S3DataSource.S3Uri, join(folder, ChannelName));
      }
      const checkpoints = join(folder, 'checkpoints');
      mkdirSync(checkpoints);
      const hosts = await startTrainingJob({
        data: join(folder, 'training'),
        code: join(folder, 'code'),
        hyperParameters: request.HyperParameters,
        hosts: Array.from({ length: request.ResourceConfig.InstanceCount }, (_, i) => `127.0.0.${i + 1}`),
        ...(CheckpointConfig === undefined ? {} : { checkpoints }),
      });
      const ended = await Promise.all(hosts.map((host) => host.ended));
      const [first] = hosts;
      const failed = ended.find(({ code }) => code !== 0);
      const output = `${OutputDataConfig.S3OutputPath}/${TrainingJobName}/output/model/`;
      if (first !== undefined && failed === undefined) {
        await upload(s3, join(first.folder, 'model'), output);
        if (CheckpointConfig !== undefined) await upload(s3, join(first.folder, 'checkpoints'), CheckpointConfig.S3Uri);
      }
      if (first !== undefined) rmSync(dirname(first.folder), { recursive: true, force: true });
      if (failed === undefined)
        return describedAs('Completed', request, { ModelArtifacts: { S3ModelArtifacts: output } });
      const FailureReason = `AlgorithmError: ${failed.failure || failed.output}`.slice(0, MAX_CAUSE);
      return { error: 'States.TaskFailed', cause: JSON.stringify(describedAs('Failed', request, { FailureReason })) };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}

/** The answer of DescribeTrainingJob. */
function describedAs(status: string, request: TrainingRequest, result: object): object {
  return { ...request, ...result, TrainingJobStatus: status, SecondaryStatus: status };
}
