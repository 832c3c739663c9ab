import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { expect, test } from 'vitest';
import { ensureVenv } from '../../functions/cli/venv.ts';

const DIGITS = join(import.meta.dirname, '../../model-artifacts/digits');

// The first run on a machine downloads PyTorch.
test('pytest passes', { timeout: 900_000 }, async () => {
  const python = await ensureVenv();
  const child = spawn(python, ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', import.meta.dirname]);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk));
  const code = await new Promise((resolve) => child.on('close', resolve));
  expect(code, output).toBe(0);
});

test('the model in the repository is the one that its metrics describe', () => {
  const metrics = JSON.parse(readFileSync(join(DIGITS, '1/metrics.json'), 'utf8'));
  const model = readFileSync(join(DIGITS, '1/model.onnx'));
  expect(createHash('sha256').update(model).digest('hex')).toBe(metrics.model_sha256);
  expect(metrics.accuracy).toBeGreaterThanOrEqual(0.97);
});

test('the model in the repository reads its sample request as a seven', async () => {
  const [input] = JSON.parse(readFileSync(join(DIGITS, 'samples/request.json'), 'utf8')).inputs;
  const session = await InferenceSession.create(join(DIGITS, '1/model.onnx'));
  const { probabilities } = await session.run({
    image: new Tensor('float32', Float32Array.from(input.data), input.shape),
  });
  const values = Array.from((probabilities as Tensor).data as Float32Array);
  expect(values.indexOf(Math.max(...values))).toBe(7);
  expect(values[7]).toBeGreaterThan(0.95);
});
