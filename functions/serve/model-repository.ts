import type { DiskCacheSettings } from '../adapters/disk-cache.ts';
import type { WatchDownload } from '../adapters/download.ts';
import { modelRepository } from '../adapters/model-repository.ts';
import type { ModelRepository } from '../inference/ports.ts';
import { WrongSetting } from './variables.ts';

/** The model repository that MODEL_REPOSITORY names. @throws WrongSetting */
export function configuredRepository(
  location: string,
  cache: DiskCacheSettings,
  watch?: WatchDownload,
): ModelRepository {
  const found = modelRepository(location, cache, watch);
  if (found === undefined) throw new WrongSetting(`MODEL_REPOSITORY is '${location}'; expected s3://bucket/prefix`);
  return found;
}
