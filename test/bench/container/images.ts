// The two images that are compared: that of our Lambda function, and one with the same function in Python.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, globSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { servingImageContext } from '../../../infra/images/serving-image.ts';
import type { Docker } from '../../e2e/docker.ts';

const HERE = import.meta.dirname;

/**
 * @param base the tag of what stands for AWS's image
 * @param repository the folder of the models in it
 * @returns the tag
 */
export function ourImage(docker: Docker, base: string, repository: string): string {
  const tag = 'serverless-onnx-bench:ours';
  const context = servingImageContext({
    architecture: process.arch === 'arm64' ? 'arm64' : 'x86_64',
    bakedRepository: repository,
  });
  docker.run('build', '--build-arg', `BASE_IMAGE=${base}`, '--tag', tag, context);
  return tag;
}

/**
 * What it stands on is made at the first use, and when that changes: it takes two minutes.
 * @param base the tag of what stands for AWS's image, with its emulator
 * @param repository the folder of the models in it
 * @param scratch an empty folder
 * @returns the tag
 */
export function pythonImage(docker: Docker, base: string, repository: string, scratch: string): string {
  const hash = createHash('sha256');
  for (const file of ['build.sh', 'requirements.txt']) hash.update(readFileSync(join(HERE, file)));
  const python = `serverless-onnx-bench:python-${hash.digest('hex').slice(0, 16)}`;
  if (docker.run('images', '--quiet', python) === '') {
    execFileSync(join(HERE, 'build.sh'), [python], {
      env: { ...process.env, ...docker.env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  }
  for (const file of globSync('*/1/model.onnx', { cwd: repository })) {
    mkdirSync(dirname(join(scratch, 'models', file)), { recursive: true });
    cpSync(join(repository, file), join(scratch, 'models', file));
  }
  for (const file of ['Dockerfile', 'app.py']) cpSync(join(HERE, file), join(scratch, file));
  const tag = 'serverless-onnx-bench:python';
  const args = ['--build-arg', `EMULATOR=${base}`, '--build-arg', `PYTHON=${python}`];
  docker.run('build', ...args, '--tag', tag, scratch);
  return tag;
}
