import { afterAll, beforeAll, vi } from 'vitest';
import { startLocalAws } from './local-aws.ts';
import { worlds } from './retraining.ts';

/** The worlds of retraining for the tests of a file, with the local AWS that those in a bucket need. */
export function worldsOnAws(): ReturnType<typeof worlds>['kinds'] {
  // The local S3 is a Python process that takes one request at a time.
  vi.setConfig({ testTimeout: 120_000 });
  const { kinds, close } = worlds();
  let stop: () => Promise<void> = async () => {};
  beforeAll(async () => {
    const aws = await startLocalAws();
    stop = () => aws.stop();
    for (const [name, value] of Object.entries(aws.env)) vi.stubEnv(name, value);
  });
  afterAll(async () => {
    await stop();
    vi.unstubAllEnvs();
    close();
  });
  return kinds;
}
