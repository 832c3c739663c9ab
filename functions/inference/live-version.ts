import type { StoredModel } from './ports.ts';
import { parseRelease } from './release.ts';
import { servableVersions } from './serving-config.ts';

/**
 * The version that is live: as release.json has it, or without one by the version_policy. Undefined for a model without
 * any, or whose live version is not there.
 * @throws ModelRejected for a release.json that can't be read
 */
export function liveVersion({ config, versions, release }: StoredModel): string | undefined {
  const live =
    release === undefined ? servableVersions(config.version_policy, versions).at(-1) : parseRelease(release).live;
  return live !== undefined && versions.includes(live) ? live : undefined;
}
