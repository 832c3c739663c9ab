import { stat } from 'node:fs/promises';
import { homedir, hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import { modelRepository } from '../../adapters/model-repository.ts';
import { downloadBars } from '../../adapters/progress.ts';
import type { ModelRepository } from '../../inference/ports.ts';
import { Publisher } from '../../inference/publisher.ts';
import { deployedOutput } from '../deployed.ts';
import { Misuse } from '../failure.ts';

/** The options of every command. */
export type Common = {
  readonly repository?: string;
  readonly deployed?: true;
  readonly json?: true;
  readonly by?: string;
  readonly reason?: string;
};

/** Below it are the models of a deployment's bucket. */
const DEPLOYED_PREFIX = 'models';
const DISK_SHARE = 0.5;

/** The repository that the options name: a folder, `s3://bucket/prefix`, or the deployed one. */
export async function openRepository(options: Common): Promise<{ location: string; repository: ModelRepository }> {
  if (options.deployed && options.repository !== undefined) {
    throw new Misuse('--deployed and --repository are both given; expected one');
  }
  const location = options.deployed
    ? `s3://${await deployedOutput('ModelBucket', '--repository')}/${DEPLOYED_PREFIX}`
    : (options.repository ?? (process.env.MODEL_REPOSITORY?.trim() || 'model-artifacts'));
  return { location, repository: await repositoryAt(location) };
}

/** @throws Misuse */
export async function repositoryAt(location: string): Promise<ModelRepository> {
  const folder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'serverless-onnx');
  const repository = modelRepository(location, { folder, share: DISK_SHARE }, downloadBars());
  if (repository === undefined) throw new Misuse(`the repository is '${location}'; expected s3://bucket/prefix`);
  if (location.startsWith('s3://')) return repository;
  const found = await stat(location).catch(() => undefined);
  if (!found?.isDirectory()) {
    const what = found === undefined ? 'which does not exist' : 'which is a file';
    throw new Misuse(`the repository is '${location}', ${what}; expected a folder of models, or s3://bucket/prefix`);
  }
  return repository;
}

export function publisherOf(repository: ModelRepository, { by, reason }: Common): Publisher {
  return new Publisher(repository, () => ({
    at: new Date().toISOString(),
    by: by ?? `${userInfo().username}@${hostname()}`,
    ...(reason === undefined ? {} : { reason }),
  }));
}
