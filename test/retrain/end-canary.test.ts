import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type AlarmEvent, handler } from '../../functions/retrain/end-canary.ts';
import { type LocalAws, startLocalAws } from '../setup/local-aws.ts';

let aws: LocalAws;
let s3: S3Client;
beforeAll(async () => {
  aws = await startLocalAws();
  for (const [name, value] of Object.entries(aws.env)) vi.stubEnv(name, value);
  vi.stubEnv('MODEL_REPOSITORY', 's3://a-bucket/models');
  s3 = new S3Client({ forcePathStyle: true });
  await s3.send(new CreateBucketCommand({ Bucket: 'a-bucket' }));
  for (const version of ['1', '2']) await put(`${version}/model.onnx`, 'a model');
});
afterAll(async () => {
  await aws.stop();
  vi.unstubAllEnvs();
});

const keyOf = (path: string) => ({ Bucket: 'a-bucket', Key: `models/m/${path}` });
const put = (path: string, Body: string) => s3.send(new PutObjectCommand({ ...keyOf(path), Body }));
const release = async () => {
  const { Body } = await s3.send(new GetObjectCommand(keyOf('release.json')));
  return JSON.parse((await Body?.transformToString()) ?? '');
};

/** As CloudWatch sends it, for the alarm that infra/constructs/canary-guard.ts declares. */
const event = (model: string): AlarmEvent => ({
  time: '2026-11-24T10:00:00.000+0000',
  alarmData: {
    state: { reason: 'Threshold Crossed: 1 datapoint [1.0] was greater than the threshold (1.0).' },
    configuration: {
      metrics: [{}, { metricStat: { metric: { dimensions: { model, variant: 'canary' } } } }],
    },
  },
});

test('takes the canary out, with the alarm’s reason; what is live stays', async () => {
  await put('release.json', '{"live": "1", "canary": {"version": "2", "weight": 0.1}}');
  await handler(event('m'));
  const { canary, live, history } = await release();
  expect([live, canary]).toEqual(['1', undefined]);
  expect(history).toMatchObject([
    { action: 'rollback', version: '1', by: 'CloudWatch', reason: expect.stringContaining('Threshold Crossed') },
  ]);
});

test('an event that comes twice, or too late, changes nothing', async () => {
  const before = await release();
  await handler(event('m'));
  expect(await release()).toEqual(before);
});

test.each(['../m', ''])('an event of the model %j is an error, which reaches the dead-letter topic', async (model) => {
  await expect(handler(event(model))).rejects.toThrow('names no model');
});
