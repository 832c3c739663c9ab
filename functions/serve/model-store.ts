import { DirectoryStore } from '../adapters/directory-store.ts';
import { DiskCache, type DiskCacheSettings } from '../adapters/disk-cache.ts';
import { parseS3Location, S3Store } from '../adapters/s3-store.ts';
import type { ModelStore } from '../inference/ports.ts';
import { WrongSetting } from './variables.ts';

/**
 * The model repository at `location`: `s3://bucket/prefix`, or a folder.
 * @param cache where versions from S3 are kept
 * @throws WrongSetting
 */
export function modelStore(location: string, cache: DiskCacheSettings): ModelStore {
  if (!location.startsWith('s3://')) return new DirectoryStore(location);
  const s3 = parseS3Location(location);
  if (s3 === undefined) throw new WrongSetting(`MODEL_REPOSITORY is '${location}'; expected s3://bucket/prefix`);
  return new S3Store(s3, new DiskCache(cache));
}
