import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ArtifactFile } from './model-artifacts.ts';

const TRAINING_PROGRAM = join(import.meta.dirname, '../functions/train');
const HASH_DIGITS = 16;

/**
 * The files of the training program, which a job reads from S3. Python only: requirements.txt beside the program would
 * make the container ask a package index, which its isolation does not let it reach.
 * @returns with the keys below `code/`: `<hash of all>/train.py`
 */
export function trainingProgram(): { readonly hash: string; readonly files: readonly ArtifactFile[] } {
  const files = globSync('**/*.py', { cwd: TRAINING_PROGRAM })
    .sort()
    .map((name) => {
      const path = join(TRAINING_PROGRAM, name);
      const bytes = readFileSync(path);
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      return { path, name: name.replaceAll('\\', '/'), bytes: bytes.length, sha256 };
    });
  const content = files.map(({ name, sha256 }) => `${sha256}  ${name}\n`).join('');
  const hash = createHash('sha256').update(content).digest('hex').slice(0, HASH_DIGITS);
  return { hash, files: files.map(({ name, ...file }) => ({ ...file, key: `${hash}/${name}` })) };
}
