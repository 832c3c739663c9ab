import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ensureVenv } from '../../../functions/cli/venv.ts';

const ROOT = join(import.meta.dirname, '../../..');
const run = promisify(execFile);

/**
 * Publishes one of make_large_models.py, with its compiled file, as version 1 in `repository`.
 * @param made a folder for what it makes on the way
 */
export async function publishLarge(model: string, made: string, repository: string): Promise<void> {
  await run(await ensureVenv(), [join(import.meta.dirname, 'make_large_models.py'), made, model]);
  const file = join(made, model, '1/model.onnx');
  const command = [join(ROOT, 'functions/cli/models.ts'), 'publish', file, '--as', model, '-r', repository];
  await run(process.execPath, command);
  rmSync(file);
}
