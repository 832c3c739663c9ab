// Before all tests: the Python environment, and the small models that the tests serve.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { ensureVenv } from '../../functions/cli/venv.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The folder of the models that test/models/make_models.py makes. */
    repository: string;
  }
}

export default async function setup(project: TestProject): Promise<() => void> {
  const { folder, remove } = await makeModels();
  project.provide('repository', folder);
  return remove;
}

/** Runs test/models/make_models.py into a new folder. */
export async function makeModels(): Promise<{ folder: string; remove: () => void }> {
  const python = await ensureVenv();
  const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-models-'));
  execFileSync(python, [join(import.meta.dirname, '../models/make_models.py'), folder], {
    stdio: 'inherit',
  });
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
