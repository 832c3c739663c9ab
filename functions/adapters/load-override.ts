import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ModelRejected, type Override, type OverrideReader } from '../inference/ports.ts';
import { InvalidRequest } from '../protocol/errors.ts';
import type { LoadRequest } from '../protocol/load-request.ts';
import type { ModelConfig } from '../protocol/model-config.ts';
import { DirectoryStore } from './directory-store.ts';

/** Keeps the files that load requests bring along in a private folder, until the process ends. */
export class TemporaryOverrides implements OverrideReader {
  async read(model: string, { config, files }: LoadRequest): Promise<Override> {
    return {
      ...(config === undefined ? {} : { config: await readConfig(config) }),
      ...(files.size === 0 ? {} : { store: await keep(model, files) }),
    };
  }
}

async function readConfig(json: string): Promise<ModelConfig> {
  // Few requests bring one.
  const { parseModelConfigJson } = await import('./model-config-json.ts');
  try {
    return parseModelConfigJson(json);
  } catch (error) {
    if (!(error instanceof ModelRejected)) throw error;
    throw new InvalidRequest(`parameter 'config': ${error.message}`);
  }
}

async function keep(model: string, files: LoadRequest['files']): Promise<DirectoryStore> {
  const folder = await mkdtemp(join(tmpdir(), 'serverless-onnx-load-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  for (const [path, base64] of files) {
    const file = join(folder, model, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, Buffer.from(base64, 'base64'));
  }
  return new DirectoryStore(folder);
}
