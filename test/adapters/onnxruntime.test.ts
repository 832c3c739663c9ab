import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ensureVenv } from '../../functions/cli/venv.ts';

const ROOT = join(import.meta.dirname, '../..');
const model = join(ROOT, 'model-artifacts/digits/1/model.onnx');

// ONNX Runtime keeps the identifier of this machine there as soon as it sends something.
test.runIf(process.platform === 'linux').each([
  [
    'Node.js',
    async () => process.execPath,
    [
      '--input-type=module',
      '-e',
      "const { OrtSession } = await import('./functions/adapters/onnxruntime.ts'); await OrtSession.load(process.argv[1], {}, 1);",
    ],
  ],
  [
    'Python',
    ensureVenv,
    [
      '-c',
      'import sys; sys.path.insert(0, "functions/train"); import export; export._session(open(sys.argv[1], "rb").read())',
    ],
  ],
])('ONNX Runtime sends no telemetry: %s', async (_, program, args) => {
  const home = mkdtempSync(join(tmpdir(), 'serverless-onnx-task-'));
  // With CI it would be silent by itself.
  const { CI, XDG_CACHE_HOME, ORT_DISABLE_TELEMETRY, ...env } = process.env;
  execFileSync(await program(), [...args, model], { cwd: ROOT, env: { ...env, HOME: home } });
  const left = readdirSync(home, { recursive: true });
  rmSync(home, { recursive: true });
  expect(left.filter((path) => String(path).includes('onnxruntime'))).toEqual([]);
});
