// Prints how many bytes of memory of its own a process takes for a model: `private-memory.ts MODEL`. Of two processes that map
// a file neither has its pages for itself.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { OrtSession } from '../../functions/adapters/onnxruntime.ts';
import type { Tensor } from '../../functions/protocol/tensor.ts';

function privateBytes(): number {
  const text = readFileSync('/proc/self/smaps_rollup', 'utf8');
  return [...text.matchAll(/^Private_\w+: +(\d+) kB/gm)].reduce(
    (sum, [, kilobytes]) => sum + Number(kilobytes) * 1024,
    0,
  );
}

const WITHOUT_PREPACKING = { parameters: { 'session.disable_prepacking': { string_value: '1' } } };
// What ONNX Runtime takes once, whatever it loads.
await OrtSession.load(join(import.meta.dirname, '../../model-artifacts/digits/1/model.onnx'), {}, 1);
const before = privateBytes();
const session = await OrtSession.load(process.argv[2] ?? '', WITHOUT_PREPACKING, 1);
const zeros = session.inputs.map(
  ({ name, shape, datatype }): Tensor => ({
    name,
    datatype,
    shape: shape.map(Math.abs),
    data: new Float32Array(shape.map(Math.abs).reduce((a, b) => a * b, 1)),
  }),
);
await session.run(zeros, [session.outputs[0]?.name ?? '']);
console.log(privateBytes() - before);
