import { isVersion } from '../protocol/names.ts';
import { type FileHashes, ModelRejected } from './ports.ts';

/** The file of a model's folder that says which version is live. */
export const RELEASE_FILE = 'release.json';

/** Which versions of a model serve, and how it came to that: `<model>/release.json`. */
export type Release = {
  readonly live: string;
  /** A version that is tried on a part of the requests. */
  readonly canary?: Canary;
  /** What is live stays so until somebody takes the pin out. */
  readonly pinned?: true;
  /** From oldest to newest. */
  readonly history?: readonly ReleaseEvent[];
};

export type Canary = {
  readonly version: string;
  /** The part of the requests, above 0 and below 1. */
  readonly weight: number;
};

export type ReleaseEvent = {
  readonly id: string;
  /** `adopt`: a version that was there before the file. */
  readonly action: 'adopt' | 'publish' | 'promote' | 'canary' | 'rollback' | 'pin' | 'unpin';
  readonly version: string;
  /** What was live before, where that changed. */
  readonly from?: string;
  /** ISO 8601, in UTC. */
  readonly at: string;
  readonly by: string;
  readonly reason?: string;
  /** Of each file of a version that was published or adopted, by its path in the version's folder. */
  readonly sha256?: FileHashes;
  /** What was measured of a version that was published. */
  readonly metrics?: object;
  /** What a version that was published was made from. */
  readonly lineage?: object;
  /** The run that has published it, of which there is one version. */
  readonly run?: string;
};

type Found = { readonly [key: string]: unknown };

/** @throws ModelRejected */
export function parseRelease(text: string): Release {
  const { live, canary, pinned, history = [] } = parsed(text);
  if (!isVersionText(live)) reject('live', live, 'a version, like "3"');
  if (pinned !== undefined && pinned !== true) reject('pinned', pinned, 'true, or nothing');
  if (!Array.isArray(history)) reject('history', history, 'a list of events');
  return {
    live,
    ...(canary === undefined ? {} : { canary: readCanary(canary, live) }),
    ...(pinned === true ? { pinned } : {}),
    history: history.map(readEvent),
  };
}

function readCanary(canary: unknown, live: string): Canary {
  const { version, weight } = isObject(canary) ? canary : {};
  if (!isVersionText(version) || version === live) {
    return reject('canary.version', version, `a version other than the live one, "${live}"`);
  }
  if (typeof weight !== 'number' || !(weight > 0 && weight < 1)) {
    return reject('canary.weight', weight, 'a number above 0 and below 1');
  }
  return { version, weight };
}

/** What serving relies on is checked; the rest is for people to read. */
function readEvent(event: unknown, index: number): ReleaseEvent {
  const { version, sha256 = {} }: Found = isObject(event) ? event : {};
  if (!isVersionText(version)) reject(`history[${index}].version`, version, 'a version, like "3"');
  const isHashes = isObject(sha256) && Object.values(sha256).every((hash) => /^[0-9a-f]{64}$/.test(String(hash)));
  if (!isHashes) reject(`history[${index}].sha256`, sha256, 'the sha256 of each file, in 64 hexadecimal digits');
  return event as ReleaseEvent;
}

/**
 * The versions that may answer a request that names none, the best first.
 * @param caller the same one gets the same version; undefined: chance decides
 */
export function versionsFor({ live, canary }: Release, caller: string | undefined): readonly string[] {
  if (canary === undefined) return [live];
  const share = caller === undefined ? Math.random() : shareOf(caller);
  return share < canary.weight ? [canary.version, live] : [live];
}

/** The files that a version had when it was published; undefined for a version that nobody has published. */
export function publishedFiles({ history = [] }: Release, version: string): FileHashes | undefined {
  return history.findLast((event) => event.version === version && event.sha256 !== undefined)?.sha256;
}

/** The publication of a run; undefined where it has published nothing yet. */
export function publicationOf({ history = [] }: Release, run: string): ReleaseEvent | undefined {
  return history.find((event) => event.action === 'publish' && event.run === run);
}

/** A number from 0 to below 1 that a text always has, spread evenly over texts (FNV-1a, finished as in MurmurHash3). */
function shareOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}

function parsed(text: string): Found {
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch {
    // Told below.
  }
  throw new ModelRejected('release.json is no JSON object; expected one like {"live": "3"}');
}

function isObject(value: unknown): value is Found {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isVersionText(value: unknown): value is string {
  return typeof value === 'string' && isVersion(value);
}

function reject(path: string, found: unknown, expected: string): never {
  const shown = found === undefined ? 'missing' : JSON.stringify(found).slice(0, 100);
  throw new ModelRejected(`release.json: ${path} is ${shown}; expected ${expected}`);
}
