import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { stagingFolder } from './staging.ts';

const TRAINING_PROGRAM = join(import.meta.dirname, '../../functions/train');

/**
 * Makes the Docker build context of the project's own training image. The program is no part of it, so that a change of
 * the program makes no new image.
 * @returns the context's folder
 */
export function trainingImageContext(): string {
  const context = stagingFolder();
  for (const file of ['Dockerfile', 'requirements.lock'])
    copyFileSync(join(TRAINING_PROGRAM, file), join(context, file));
  return context;
}
