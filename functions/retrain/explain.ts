import { liveVersion } from '../inference/live-version.ts';
import type { ModelRepository } from '../inference/ports.ts';
import { parseRelease, publishedFiles, type Release, type ReleaseEvent } from '../inference/release.ts';
import type { StoredDecision } from './decisions.ts';
import { LINEAGE_FILE, type Lineage } from './lineage.ts';
import { METRICS_FILE } from './staged-model.ts';

/** Where a version comes from, and why it serves or does not. Answers name their version (`model_version`). */
export type Explanation = {
  readonly model: string;
  readonly version: string;
  readonly state: 'live' | 'live and pinned' | 'canary' | 'not live';
  /** Undefined for a version that nobody has published: there was no release.json then. */
  readonly sha256: { readonly [path: string]: string } | undefined;
  /** What happened to it, from oldest to newest. */
  readonly history: readonly ReleaseEvent[];
  /** Undefined for a version that retraining has not made. */
  readonly lineage: Lineage | undefined;
  readonly decision: StoredDecision | undefined;
  /** The version's metrics.json. */
  readonly metrics: { readonly [name: string]: unknown } | undefined;
};

/**
 * Explains a version, by default the live one.
 * @returns undefined for a version, or a model, that is not there
 * @throws ModelRejected for a release.json that can't be read
 */
export async function explain(
  repository: ModelRepository,
  model: string,
  wanted: string | undefined,
): Promise<Explanation | undefined> {
  const stored = await repository.find(model);
  const live = liveVersion(stored);
  const version = wanted ?? live;
  if (version === undefined || !stored.versions.includes(version)) return undefined;
  const release = stored.release === undefined ? undefined : parseRelease(stored.release);
  const read = async (file: string) => {
    const found = await repository.tagged(model, `${version}/${file}`);
    return found && JSON.parse(found.text);
  };
  return {
    model,
    version,
    state: stateOf(version, live, release),
    sha256: release && publishedFiles(release, version),
    history: (release?.history ?? []).filter((event) => event.version === version || event.from === version),
    lineage: await read(LINEAGE_FILE),
    decision: await read('decision.json'),
    metrics: await read(METRICS_FILE),
  };
}

function stateOf(version: string, live: string | undefined, release: Release | undefined): Explanation['state'] {
  if (version === live) return release?.pinned ? 'live and pinned' : 'live';
  return release?.canary?.version === version ? 'canary' : 'not live';
}
