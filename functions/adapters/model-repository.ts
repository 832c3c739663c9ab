import type { ModelRepository } from '../inference/ports.ts';
import { DirectoryRepository } from './directory-repository.ts';
import { DiskCache, type DiskCacheSettings } from './disk-cache.ts';
import type { WatchDownload } from './download.ts';
import { S3Repository } from './s3-repository.ts';
import { parseS3Location } from './s3-store.ts';

/**
 * The model repository at `location`: `s3://bucket/prefix`, or a folder. Undefined where it begins like a bucket and is
 * none.
 * @param cache where versions from S3 are kept
 * @param watch shows downloads to people
 */
export function modelRepository(
  location: string,
  cache: DiskCacheSettings,
  watch?: WatchDownload,
): ModelRepository | undefined {
  if (!location.startsWith('s3://')) return new DirectoryRepository(location);
  const s3 = parseS3Location(location);
  return s3 && new S3Repository(s3, new DiskCache(cache), watch);
}
