// The two images that are compared: that of our Lambda function, and one with the same function in Python.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { servingImageContext } from '../../../infra/images/serving-image.ts';
import type { Docker } from '../../e2e/docker.ts';

const HERE = import.meta.dirname;
const ROOT = join(HERE, '../../..');

/** @param base the tag of what stands for AWS's image. @returns the tag */
export function ourImage(docker: Docker, base: string): string {
  const tag = 'serverless-onnx-bench:ours';
  const context = servingImageContext({
    architecture: process.arch === 'arm64' ? 'arm64' : 'x86_64',
    bakedRepository: 'model-artifacts',
  });
  docker.run('build', '--build-arg', `BASE_IMAGE=${base}`, '--tag', tag, context);
  return tag;
}

/**
 * What it stands on is made at the first use, and when that changes: it takes two minutes.
 * @param base the tag of what stands for AWS's image, with its emulator
 * @param scratch an empty folder
 * @returns the tag
 */
export function pythonImage(docker: Docker, base: string, scratch: string): string {
  const hash = createHash('sha256');
  for (const file of ['build.sh', 'requirements.txt']) hash.update(readFileSync(join(HERE, file)));
  const python = `serverless-onnx-bench:python-${hash.digest('hex').slice(0, 16)}`;
  if (docker.run('images', '--quiet', python) === '') {
    execFileSync(join(HERE, 'build.sh'), [python], {
      env: { ...process.env, ...docker.env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  }
  mkdirSync(join(scratch, 'models/digits/1'), { recursive: true });
  cpSync(join(ROOT, 'model-artifacts/digits/1/model.onnx'), join(scratch, 'models/digits/1/model.onnx'));
  for (const file of ['Dockerfile', 'app.py']) cpSync(join(HERE, file), join(scratch, file));
  const tag = 'serverless-onnx-bench:python';
  const args = ['--build-arg', `EMULATOR=${base}`, '--build-arg', `PYTHON=${python}`];
  docker.run('build', ...args, '--tag', tag, scratch);
  return tag;
}
