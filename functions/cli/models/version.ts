import { liveVersion } from '../../inference/live-version.ts';
import type { FileHashes, ModelRepository } from '../../inference/ports.ts';
import { parseRelease, publishedFiles, type Release } from '../../inference/release.ts';
import type { ModelConfig } from '../../protocol/model-config.ts';
import { Failure } from '../failure.ts';

export type FoundVersion = {
  readonly model: string;
  readonly version: string;
  readonly config: ModelConfig;
  /** Of its files, as they were published; undefined for a version that nobody has published. */
  readonly sha256: FileHashes | undefined;
  readonly release: Release | undefined;
  /** All of the model. */
  readonly versions: readonly string[];
};

/**
 * A version of a model.
 * @param wanted by default the live one
 * @throws Failure where there is none
 */
export async function versionIn(
  repository: ModelRepository,
  model: string,
  wanted: string | undefined,
): Promise<FoundVersion> {
  const stored = await repository.find(model);
  const { versions, config } = stored;
  if (versions.length === 0) throw new Failure(`'${model}' is not found`);
  const release = stored.release === undefined ? undefined : parseRelease(stored.release);
  const version = wanted ?? liveVersion(stored) ?? release?.live ?? '';
  if (!versions.includes(version)) {
    throw new Failure(`'${model}' has no version ${version}; it has ${versions.join(', ')}`);
  }
  return { model, version, config, versions, release, sha256: release && publishedFiles(release, version) };
}
