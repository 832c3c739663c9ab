import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, inject, test } from 'vitest';
import { workOf } from '../../functions/adapters/onnx-flops.ts';
import { ensureVenv } from '../../functions/cli/venv.ts';
import { ModelRejected } from '../../functions/inference/ports.ts';

const modelOf = (name: string): string => join(inject('repository'), name, '1/model.onnx');

test('counts what PyTorch counts in the networks that it exports', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-flops-'));
  const script = join(import.meta.dirname, 'flops.py');
  const expected = JSON.parse(execFileSync(await ensureVenv(), [script, folder], { encoding: 'utf8' }));
  const names = Object.keys(expected);
  expect(names.length).toBeGreaterThan(4);
  const counted = names.map((name) => [name, workOf(join(folder, `${name}.onnx`))?.flops]);
  expect(Object.fromEntries(counted)).toEqual(expected);
  rmSync(folder, { recursive: true });
});

test.each([
  ['add_sub', { flops: 0, products: 0, weights: 0, matrixWeights: 0, operators: new Set(['Add', 'Sub']) }],
  [
    'wide',
    {
      flops: 2 * 700 * 700,
      products: 1,
      weights: 700 * 700,
      matrixWeights: 700 * 700,
      operators: new Set(['MatMul']),
    },
  ],
  ['endless_loop', undefined],
])('%s: %j', (name, expected) => {
  expect(workOf(modelOf(name))).toEqual(expected);
});

test('a file that is no model is refused', () => {
  expect(() => workOf(modelOf('corrupt'))).toThrow(ModelRejected);
});
