import { DirectoryRepository } from '../adapters/directory-repository.ts';
import type { DiskCacheSettings } from '../adapters/disk-cache.ts';
import type { WatchDownload } from '../adapters/download.ts';
import type { ModelRepository } from '../inference/ports.ts';
import { WrongSetting } from './variables.ts';

export type RepositoryOptions = {
  /** Shows downloads to people. */
  readonly watch?: WatchDownload;
  /** A folder is part of the function's image, whose models were checked when it was made (infra/published-models.ts). */
  readonly isInImage?: boolean;
};

/** The model repository that MODEL_REPOSITORY names. @throws WrongSetting */
export async function configuredRepository(
  location: string,
  cache: DiskCacheSettings,
  { watch, isInImage = false }: RepositoryOptions,
): Promise<ModelRepository> {
  if (!location.startsWith('s3://')) return new DirectoryRepository(location, isInImage);
  // The AWS SDK takes longer to load than ONNX Runtime.
  const { modelRepository } = await import('../adapters/model-repository.ts');
  const found = modelRepository(location, cache, watch);
  if (found === undefined) throw new WrongSetting(`MODEL_REPOSITORY is '${location}'; expected s3://bucket/prefix`);
  return found;
}
