import { join } from 'node:path';
import { expect, inject, test } from 'vitest';
import { isStaticGraph } from '../../functions/adapters/onnx-graph.ts';

test.each([
  ['add_sub', true],
  ['identity_fp32', true],
  ['slow_matmul', true],
  ['endless_loop', false],
  ['expand', false],
])('%s: %s', async (model, expected) => {
  expect(await isStaticGraph(join(inject('repository'), model, '1', 'model.onnx'))).toBe(expected);
});
