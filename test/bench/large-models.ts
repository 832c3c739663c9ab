import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ensureVenv } from '../../functions/cli/venv.ts';

const ROOT = join(import.meta.dirname, '../..');
const run = promisify(execFile);

/**
 * Makes one of the models of test/bench/make_large_models.py and publishes it, compiled, in a repository.
 * @param names under which it is published, each with its config.pbtxt; by default the model's own name, without one
 */
export async function publishLarge(
  model: string,
  repository: string,
  scratch: string,
  names: { readonly [name: string]: string | undefined } = { [model]: undefined },
): Promise<void> {
  const made = join(scratch, 'made');
  await run(await ensureVenv(), [join(ROOT, 'test/bench/make_large_models.py'), made, model]);
  const file = join(made, model, '1/model.onnx');
  for (const [name, config] of Object.entries(names)) {
    const command = [join(ROOT, 'functions/cli/models.ts'), 'publish', file, '--as', name, '-r', repository];
    await run(process.execPath, config === undefined ? command : [...command, '--config', config]);
  }
  rmSync(file);
}
