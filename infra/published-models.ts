import { readFileSync } from 'node:fs';
import { checkHash } from '../functions/adapters/file-check.ts';
import { ModelRejected } from '../functions/inference/ports.ts';
import { parseRelease, publishedFiles, RELEASE_FILE } from '../functions/inference/release.ts';
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
    const release = files.find(({ key }) => key === `${model}/${RELEASE_FILE}`);
    if (release === undefined) continue;
    try {
      const published = publishedFiles(parseRelease(readFileSync(release.path, 'utf8')), version) ?? {};
      for (const [path, sha256] of Object.entries(published)) {
        checkHash(`${version}/${path}`, found.get(`${folder}/${path}`), sha256);
      }
    } catch (error) {
      if (!(error instanceof ModelRejected)) throw error;
      throw new WrongConfig(`model-artifacts/${model}: ${error.message}`);
    }
  }
}
