import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { OrtSession } from '../../functions/adapters/onnxruntime.ts';
import { OrtCompiler } from '../../functions/adapters/onnxruntime-compiler.ts';
import { gainsByPrepacking } from '../../functions/adapters/prepacking.ts';
import { ensureVenv } from '../../functions/cli/venv.ts';
import type { CompiledFile } from '../../functions/inference/ports.ts';

const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-prepacking-'));
beforeAll(async () => {
  execFileSync(await ensureVenv(), [join(import.meta.dirname, '../models/make_prepacked.py'), folder]);
});
afterAll(() => rmSync(folder, { recursive: true }));

test.each([
  ['classifier', false],
  ['embedding', false],
  ['wide_head', true],
  ['perceptron', true],
  ['transformer', true],
  ['recurrent', true],
  ['transposed', true],
  ['int8', true],
  ['unknown', true],
])('%s: %s, and its compiled file is told so', async (name, expected) => {
  const path = join(folder, `${name}.onnx`);
  expect(gainsByPrepacking(path)).toBe(expected);
  const made = (await new OrtCompiler(OrtSession.compile, 0).compile(path, {}, 1)) as CompiledFile;
  expect(made.prepacking).toBe(expected);
  await made.remove();
});
