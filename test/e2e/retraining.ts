// From an upload of data to a better model at the API's URL: the tests of the loop, on a deployment that has it.

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { ListExecutionsCommand } from '@aws-sdk/client-sfn';
import { type SNSClient, SubscribeCommand } from '@aws-sdk/client-sns';
import { CreateQueueCommand, GetQueueAttributesCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureVenv } from '../../functions/cli/venv.ts';
import type { Explanation } from '../../functions/retrain/explain.ts';
import { inParallel } from '../../functions/retrain/in-parallel.ts';
import { isTerminal, type LedgerEntry } from '../../functions/retrain/ledger.ts';
import { contentText } from '../../functions/retrain/snapshot.ts';
import { type Clients, TrainingWorker } from './training-worker.ts';

export type Deployed = {
  readonly outputs: { readonly [output: string]: string };
  readonly clients: Clients & { readonly sns: SNSClient };
  /** What a process needs in its environment to reach it. */
  readonly env: { readonly [name: string]: string };
  /** The versions that answer requests, in their order, until this one does; every request is answered. */
  versionsUntil(version: string): Promise<string[]>;
};

const ROOT = join(import.meta.dirname, '../..');
const MODEL = 'digits';
const RUN_MS = 240_000;
const AT_ONCE = 16;

type Pictures = ReadonlyMap<string, Uint8Array>;
type Told = { readonly Subject: string; readonly MessageAttributes: { readonly [name: string]: { Value: string } } };

/** @param before and `after`: the version that serves, and the one that retraining makes */
export function testRetraining(deployed: () => Deployed, { before, after }: { before: string; after: string }): void {
  let worker: TrainingWorker;
  let inbox: string;
  let digits: Pictures;
  const uploads: { [name: string]: string } = {};
  const there = new Set<string>();

  beforeAll(async () => {
    const { outputs, clients } = deployed();
    worker = new TrainingWorker(clients, outputs.TrainingRequests ?? '');
    inbox = await subscribed(deployed());
    digits = await realDigits();
  });
  afterAll(async () => {
    await worker?.stop();
  });

  const body = async (key: string): Promise<Uint8Array> => {
    const { outputs, clients } = deployed();
    const { Body } = await clients.s3.send(new GetObjectCommand({ Bucket: outputs.ModelBucket, Key: key }));
    return (await Body?.transformToByteArray()) ?? new Uint8Array();
  };
  const versions = async (): Promise<string[]> => {
    const { outputs, clients } = deployed();
    const list = { Bucket: outputs.ModelBucket, Prefix: `models/${MODEL}/`, Delimiter: '/' };
    const { CommonPrefixes = [] } = await clients.s3.send(new ListObjectsV2Command(list));
    return CommonPrefixes.map(({ Prefix = '' }) => Prefix.split('/')[2] ?? '');
  };

  /** Uploads the pictures that are not there, and says that these are all. @returns the id by which the upload is known */
  async function upload(pictures: Pictures): Promise<string> {
    const { outputs, clients } = deployed();
    const put = (path: string, content: string | Uint8Array) =>
      clients.s3.send(
        new PutObjectCommand({ Bucket: outputs.DatasetBucket, Key: `datasets/${MODEL}/${path}`, Body: content }),
      );
    const fresh = [...pictures].filter(([path]) => !there.has(path));
    await inParallel(fresh, AT_ONCE, ([path, bytes]) => put(path, bytes));
    for (const [path] of fresh) there.add(path);
    const files = [...pictures].map(([path, bytes]) => ({ path, sha256: sha256(bytes) }));
    await put('manifest.json', JSON.stringify({ files }));
    return sha256(contentText(files)).slice(0, 16);
  }

  /** What the ledger says in the end. */
  async function ended(id: string): Promise<LedgerEntry> {
    let entry: LedgerEntry | undefined;
    for (const end = Date.now() + RUN_MS; Date.now() < end; await sleep(500)) {
      const found = await body(`control/ledger/${MODEL}/${id}.json`).catch(() => undefined);
      entry = found && JSON.parse(new TextDecoder().decode(found));
      if (entry !== undefined && isTerminal(entry.state)) return entry;
    }
    throw new Error(`upload ${id} did not come to an end: ${JSON.stringify(entry)}`);
  }

  async function executions(): Promise<string[]> {
    const { outputs, clients } = deployed();
    const stateMachineArn = outputs[`StateMachine${MODEL}`];
    const { executions: found = [] } = await clients.sfn.send(new ListExecutionsCommand({ stateMachineArn }));
    return found.map(({ name = '' }) => name).sort();
  }

  test('an upload of digits is trained on, judged and promoted', async () => {
    const id = await upload(digits);
    uploads.better = id;
    const entry = await ended(id);
    expect(entry).toMatchObject({ state: 'promoted', version: after, decision: { outcome: 'promote' } });
    expect(entry.report?.files).toBe(digits.size);
  });

  test('the URL serves the new version, which is traced back to the very upload', async () => {
    const { env, outputs, versionsUntil } = deployed();
    expect([[before, after], [after]]).toContainEqual(await versionsUntil(after));
    const command = ['functions/cli/retrain.ts', 'explain', MODEL, '--json'];
    const { stdout } = await promisify(execFile)(process.execPath, command, {
      cwd: ROOT,
      env: { ...process.env, ...env, MODEL_REPOSITORY: `s3://${outputs.ModelBucket}/models` },
    });
    const { version, lineage, decision } = JSON.parse(stdout) as Explanation;
    expect({ version, lineage, decision }).toMatchObject({
      version: after,
      lineage: {
        id: uploads.better,
        snapshot: `s3://${outputs.ModelBucket}/snapshots/${MODEL}/${uploads.better}/`,
        manifest: { files: digits.size },
        job: worker.requests[0]?.TrainingJobName,
        champion: before,
      },
      decision: { outcome: 'promote', live: before },
    });
    const weights = await Promise.all([before, after].map((each) => body(`models/${MODEL}/${each}/model.onnx`)));
    expect(lineage?.model_sha256).toBe(sha256(weights[1] ?? ''));
    expect(lineage?.model_sha256).not.toBe(sha256(weights[0] ?? ''));
    // What the job itself has read is that copy, file by file.
    const manifest = await body(`snapshots/${MODEL}/${uploads.better}/manifest.json`);
    expect(lineage?.data_manifest_sha256).toBe(sha256(manifest));
    const { files } = JSON.parse(new TextDecoder().decode(manifest)) as { files: { path: string; sha256: string }[] };
    expect(new Map(files.map((file) => [file.path, file.sha256]))).toEqual(
      new Map([...digits].map(([path, bytes]) => [path, sha256(bytes)])),
    );
  });

  test('a poisoned upload is rejected before anything is spent', async () => {
    const [[path = '', bytes] = []] = digits;
    const poisoned = new Map(digits).set(`9/${path.replace('/', '-')}`, bytes ?? new Uint8Array());
    uploads.poisoned = await upload(poisoned);
    expect(await ended(uploads.poisoned)).toMatchObject({ state: 'rejected', reason: { code: 'conflicting-labels' } });
    expect(await executions()).toEqual([uploads.better]);
  });

  test('a worse model, by its own figures a good one, does not serve', async () => {
    const release = await body(`models/${MODEL}/release.json`);
    const known = await versions();
    uploads.worse = await upload(mislabelled(digits));
    const entry = await ended(uploads.worse);
    expect(entry).toMatchObject({ state: 'rejected', reason: { code: 'accuracy-floor' } });
    expect(entry).not.toHaveProperty('version');
    expect(await executions()).toEqual([uploads.better, uploads.worse].sort());
    expect(await versions()).toEqual(known);
    expect(await body(`models/${MODEL}/release.json`)).toEqual(release);
    expect(await deployed().versionsUntil(after)).toEqual([after]);
  });

  test('each upload was told of once, and nothing is left to do', async () => {
    const { sqs } = deployed().clients;
    const told: Told[] = [];
    for (let calls = 0; calls < 5 || told.length < 3; calls++) {
      const receive = { QueueUrl: inbox, MaxNumberOfMessages: 10, WaitTimeSeconds: 1, VisibilityTimeout: 600 };
      const { Messages = [] } = await sqs.send(new ReceiveMessageCommand(receive));
      told.push(...Messages.map(({ Body = '' }) => JSON.parse(Body)));
    }
    const fields = ['id', 'state', 'code'] as const;
    expect(told.map(({ MessageAttributes: found }) => fields.map((name) => found[name]?.Value)).sort()).toEqual(
      [
        [uploads.better, 'promoted', undefined],
        [uploads.poisoned, 'rejected', 'conflicting-labels'],
        [uploads.worse, 'rejected', 'accuracy-floor'],
      ].sort(),
    );
    expect(worker.requests).toHaveLength(2);
    const failed = {
      QueueUrl: deployed().outputs.FailedRuns,
      AttributeNames: ['ApproximateNumberOfMessages' as const],
    };
    const { Attributes } = await sqs.send(new GetQueueAttributesCommand(failed));
    expect(Attributes).toEqual({ ApproximateNumberOfMessages: '0' });
  });
}

/** @returns the URL of a queue that gets what people are told */
async function subscribed({ outputs, clients }: Deployed): Promise<string> {
  const { QueueUrl = '' } = await clients.sqs.send(new CreateQueueCommand({ QueueName: 'inbox' }));
  const ask = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] });
  const { Attributes } = await clients.sqs.send(ask);
  const subscription = { TopicArn: outputs.RetrainingTopic, Protocol: 'sqs', Endpoint: Attributes?.QueueArn };
  await clients.sns.send(new SubscribeCommand(subscription));
  return QueueUrl;
}

/** The scans that the held-out set does not have, by `<digit>/<file>`. */
async function realDigits(): Promise<Pictures> {
  const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-digits-'));
  await promisify(execFile)(await ensureVenv(), [join(ROOT, 'test/train/digits_folder.py'), folder]);
  const training = join(folder, 'training');
  const paths = readdirSync(training).flatMap((digit) =>
    readdirSync(join(training, digit)).map((file) => `${digit}/${file}`),
  );
  const pictures = new Map(paths.map((path) => [path, new Uint8Array(readFileSync(join(training, path)))]));
  rmSync(folder, { recursive: true });
  return pictures;
}

/** Some pictures of each digit under the name of the next one: nothing about the data is wrong but what they show. */
function mislabelled(digits: Pictures): Pictures {
  const some = [...Map.groupBy(digits, ([path]) => path.slice(0, 1)).values()].flatMap((ofDigit) =>
    ofDigit.slice(0, 15),
  );
  return new Map(some.map(([path, bytes]) => [`${(Number(path.slice(0, 1)) + 1) % 10}/next-${path.slice(2)}`, bytes]));
}

function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
