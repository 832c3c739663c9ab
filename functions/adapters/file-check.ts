import { ModelRejected } from '../inference/ports.ts';

/**
 * Names of objects are any text, and so are paths in a release.json.
 * @throws ModelRejected for one that leads out of its folder
 */
export function checkPath(path: string): void {
  const isPlain = path.split('/').every((part) => /^[^\\\0]+$/.test(part) && part !== '.' && part !== '..');
  if (!isPlain) throw new ModelRejected('the version holds a file whose name is no plain path');
}

/** @throws ModelRejected */
export function checkHash(path: string, found: string | undefined, expected: string): void {
  if (found === expected) return;
  const what = found === undefined ? 'is missing' : `has sha256 ${found}`;
  throw new ModelRejected(`${path} ${what}; release.json says that it was published with ${expected}`);
}
