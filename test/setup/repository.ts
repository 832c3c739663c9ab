import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

type Contents = {
  versions?: string[];
  /** The model file's name. */
  file?: string;
  labels?: string;
  /** Other files, by their path in the model's folder. */
  files?: { [path: string]: Uint8Array };
};

/**
 * A new model repository in Triton's layout, to be filled with copies of the models of test/models/make_models.py.
 * @param models tells the folder of those, once it is needed
 */
export function madeRepository(models: () => string): {
  folder: string;
  model(name: string, copyOf: string, config: string, contents?: Contents): void;
  remove(): void;
} {
  const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-triton-'));
  return {
    folder,
    model(name, copyOf, config, { versions = ['1'], file = 'model.onnx', labels, files = {} } = {}) {
      for (const version of versions) {
        mkdirSync(join(folder, name, version), { recursive: true });
        cpSync(join(models(), copyOf, '1', 'model.onnx'), join(folder, name, version, file));
      }
      if (config !== '') writeFileSync(join(folder, name, 'config.pbtxt'), config);
      if (labels !== undefined) writeFileSync(join(folder, name, 'labels.txt'), labels);
      for (const [path, bytes] of Object.entries(files)) {
        mkdirSync(dirname(join(folder, name, path)), { recursive: true });
        writeFileSync(join(folder, name, path), bytes);
      }
    },
    remove: () => rmSync(folder, { recursive: true }),
  };
}
