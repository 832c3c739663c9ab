import type { DiskCacheSettings } from '../adapters/disk-cache.ts';
import { modelRepository } from '../adapters/model-repository.ts';
import type { ModelRepository } from '../inference/ports.ts';
import { WrongSetting } from './variables.ts';

/** The model repository that MODEL_REPOSITORY names. @throws WrongSetting */
export function configuredRepository(location: string, cache: DiskCacheSettings): ModelRepository {
  const found = modelRepository(location, cache);
  if (found === undefined) throw new WrongSetting(`MODEL_REPOSITORY is '${location}'; expected s3://bucket/prefix`);
  return found;
}
