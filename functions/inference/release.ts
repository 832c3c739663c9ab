import { isVersion } from '../protocol/names.ts';
import { ModelRejected } from './ports.ts';

/** Which versions of a model serve: what `<model>/release.json` says, beside a history that serving does not need. */
export type Release = {
  readonly live: string;
  /** A version that is tried on a part of the requests. */
  readonly canary?: Canary;
};

export type Canary = {
  readonly version: string;
  /** The part of the requests, above 0 and below 1. */
  readonly weight: number;
};

/** @throws ModelRejected */
export function parseRelease(text: string): Release {
  const found = parsed(text);
  const live = found.live;
  if (!isVersionText(live)) reject('live', live, 'a version, like "3"');
  if (found.canary === undefined) return { live };
  const { version, weight } = isObject(found.canary) ? found.canary : {};
  if (!isVersionText(version) || version === live) {
    return reject('canary.version', version, `a version other than the live one, "${live}"`);
  }
  if (typeof weight !== 'number' || !(weight > 0 && weight < 1)) {
    return reject('canary.weight', weight, 'a number above 0 and below 1');
  }
  return { live, canary: { version, weight } };
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

/** A number from 0 to below 1 that a text always has, spread evenly over texts (FNV-1a, finished as in MurmurHash3). */
function shareOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}

function parsed(text: string): { readonly [key: string]: unknown } {
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch {
    // Told below.
  }
  throw new ModelRejected('release.json is no JSON object; expected one like {"live": "3"}');
}

function isObject(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isVersionText(value: unknown): value is string {
  return typeof value === 'string' && isVersion(value);
}

function reject(path: string, found: unknown, expected: string): never {
  const shown = found === undefined ? 'missing' : JSON.stringify(found).slice(0, 100);
  throw new ModelRejected(`release.json: ${path} is ${shown}; expected ${expected}`);
}
