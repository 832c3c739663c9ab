import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Docker } from './docker.ts';

const BASE_IMAGE = join(import.meta.dirname, 'base-image');

/** @returns the tag of the image that stands for AWS's; it changes with what it is made of */
export function builtBaseImage(docker: Docker): string {
  const hash = createHash('sha256').update(process.version);
  for (const file of readdirSync(BASE_IMAGE).sort()) hash.update(readFileSync(join(BASE_IMAGE, file)));
  const tag = `serverless-onnx-e2e:${hash.digest('hex').slice(0, 16)}`;
  if (docker.run('images', '--quiet', tag) === '') {
    const prefix = dirname(dirname(process.execPath));
    execFileSync(join(BASE_IMAGE, 'build.sh'), [tag, prefix], {
      env: { ...process.env, ...docker.env },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
  }
  return tag;
}
