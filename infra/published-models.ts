import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { ModelRejected } from '../functions/inference/ports.ts';
import { parseRelease, publishedFiles, RELEASE_FILE, type Release } from '../functions/inference/release.ts';
import { WrongConfig } from './config.ts';
import type { ArtifactFile } from './model-artifacts.ts';

/**
 * Holds every version of the project's models against the hashes that it was published with. For an image, which is then what was
 * checked: the function does not read its models again for that.
 * @throws WrongConfig
 */
export function checkPublished(files: readonly ArtifactFile[]): void {
  const found = new Map(files.map(({ key, sha256 }) => [key, sha256]));
  const versions = new Set(files.flatMap(({ key }) => /^[^/]+\/\d+(?=\/)/.exec(key) ?? []));
  for (const folder of versions) {
    const [model = '', version = ''] = folder.split('/');
    const file = files.find(({ key }) => key === `${model}/${RELEASE_FILE}`);
    const published = file && publishedFiles(releaseIn(file), version);
    for (const [path, sha256] of Object.entries(published ?? {})) {
      const is = found.get(`${folder}/${path}`);
      if (is === sha256) continue;
      throw new WrongConfig(
        `model-artifacts/${folder}/${path} ${is === undefined ? 'is missing' : `has sha256 ${is}`}; expected ${sha256}, ` +
          `as it was published by the model's ${RELEASE_FILE}`,
      );
    }
  }
}

function releaseIn({ path, key }: ArtifactFile): Release {
  try {
    return parseRelease(readFileSync(path, 'utf8'));
  } catch (error) {
    if (!(error instanceof ModelRejected)) throw error;
    throw new WrongConfig(`model-artifacts/${dirname(key)}: ${error.message}`);
  }
}
