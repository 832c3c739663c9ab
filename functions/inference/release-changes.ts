import type { FileHashes } from './ports.ts';
import type { Canary, Release, ReleaseEvent } from './release.ts';

/** A change of a release that makes no sense now; the message says why, and what to do. Nothing was changed. */
export class ChangeRefused extends Error {}

/** Who changes a release, when and why. */
export type Author = Pick<ReleaseEvent, 'at' | 'by' | 'reason'>;

export type Published = {
  readonly version: string;
  readonly sha256: FileHashes;
  readonly metrics?: object;
  readonly lineage?: object;
  readonly run?: string;
};

/** So many events are kept, beside those that say which files a version has. */
const KEPT_EVENTS = 200;

/** The release of a model that has versions, but nothing that says which one is live. */
export function adopted(version: string, sha256: FileHashes, author: Author): Release {
  return { live: version, history: [event('adopt', { version, sha256 }, author)] };
}

/** A new version, which is not live: only the first one of a model is, of which `release` is undefined. */
export function withVersion(release: Release | undefined, published: Published, author: Author): Release {
  const before: Release = release ?? { live: published.version };
  return { ...before, history: extended(before, event('publish', published, author)) };
}

/** @throws ChangeRefused */
export function promoted(release: Release, version: string, author: Author): Release {
  if (release.live === version) throw new ChangeRefused(`version ${version} is live already`);
  checkNotPinned(release);
  return withLive(release, version, author);
}

/** @throws ChangeRefused */
export function withCanary(release: Release, canary: Canary, author: Author): Release {
  const { version, weight } = canary;
  if (release.live === version) throw new ChangeRefused(`version ${version} is live; expected another one as canary`);
  checkNotPinned(release);
  const reason = `${weight * 100} % of the requests${author.reason === undefined ? '' : `: ${author.reason}`}`;
  return { ...release, canary, history: extended(release, event('canary', { version }, { ...author, reason })) };
}

/**
 * Ends the canary, where there is one; otherwise makes live what was live before, or `to`.
 * @throws ChangeRefused
 */
export function rolledBack(release: Release, to: string | undefined, author: Author): Release {
  if (release.canary !== undefined && (to === undefined || to === release.live)) {
    const { canary, ...rest } = release;
    const ended = event('rollback', { version: release.live }, { reason: `ends canary ${canary.version}`, ...author });
    return { ...rest, history: extended(release, ended) };
  }
  const target = to ?? versionBefore(release);
  if (target === undefined) throw new ChangeRefused(`nothing was live before version ${release.live}; name a version`);
  if (target === release.live) throw new ChangeRefused(`version ${target} is live already`);
  checkNotPinned(release);
  return withLive(release, target, author, 'rollback');
}

/** Whoever pins wants to be sure of what answers: a canary ends. */
export function pinned(release: Release, author: Author): Release {
  if (release.pinned) throw new ChangeRefused(`version ${release.live} is pinned already`);
  const { canary: _, ...rest } = release;
  return { ...rest, pinned: true, history: extended(release, event('pin', { version: release.live }, author)) };
}

/** @throws ChangeRefused */
export function unpinned(release: Release, author: Author): Release {
  const { pinned: wasPinned, ...rest } = release;
  if (!wasPinned) throw new ChangeRefused(`version ${release.live} is not pinned`);
  return { ...rest, history: extended(release, event('unpin', { version: release.live }, author)) };
}

/** Whatever else there is: a pin goes, and a canary ends. */
export function withLive(
  release: Release,
  version: string,
  author: Author,
  action: 'promote' | 'rollback' = 'promote',
): Release {
  const { canary: _, pinned: __, ...rest } = release;
  return {
    ...rest,
    live: version,
    history: extended(release, event(action, { version, from: release.live }, author)),
  };
}

/** What was live before the live version was promoted: two rollbacks in a row go back two versions. */
function versionBefore({ live, history = [] }: Release): string | undefined {
  return history.findLast(({ action, version }) => action === 'promote' && version === live)?.from;
}

function checkNotPinned({ live, pinned, history = [] }: Release): void {
  if (!pinned) return;
  const { by, at } = history.findLast(({ action }) => action === 'pin') ?? {};
  const since = by === undefined ? '' : ` by ${by} since ${at}`;
  throw new ChangeRefused(`version ${live} is pinned${since}; take the pin out first (unpin)`);
}

function event(action: ReleaseEvent['action'], what: Omit<Published, 'sha256'> & Partial<ReleaseEvent>, by: Author) {
  return { id: crypto.randomUUID(), action, ...what, ...by };
}

function extended({ history = [] }: Release, last: ReleaseEvent): readonly ReleaseEvent[] {
  const old = history.slice(0, -KEPT_EVENTS).filter(({ sha256 }) => sha256 !== undefined);
  return [...old, ...history.slice(-KEPT_EVENTS), last];
}
