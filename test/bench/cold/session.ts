// A process that loads one model and runs it: `session.ts MODEL_FILE [PREPACKING]`, where PREPACKING is 1 or 0; without it as
// the server has it, which looks into the manifest beside a compiled file. Prints a line of JSON: milliseconds of the session's
// creation and of its fastest run, megabytes of memory at most, and the first scores.

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { OrtSession } from '../../../functions/adapters/onnxruntime.ts';
import { compiledConfig, parseCompiledManifest } from '../../../functions/inference/compiled.ts';

const RUNS = 4;
const [path = '', prepacking] = process.argv.slice(2);
const disabled = { string_value: prepacking === '1' ? '0' : '1' };
// As the server's child processes have it.
const parameters = {
  enable_mem_pattern: { string_value: '0' },
  ...(prepacking === undefined ? {} : { 'session.disable_prepacking': disabled }),
};
const text = path.endsWith('.ort') ? readFileSync(join(dirname(path), 'manifest.json'), 'utf8') : '';
const config = compiledConfig(parseCompiledManifest(text) ?? {}, { parameters });
const shape = [1, 3, 224, 224];
const data = new Float32Array(3 * 224 * 224).map((_, i) => Math.sin(i));
const started = performance.now();
const session = await OrtSession.load(path, config, 1);
const create = performance.now() - started;
let run = Number.POSITIVE_INFINITY;
let scores: number[] = [];
for (let i = 0; i < RUNS; i++) {
  const before = performance.now();
  const [output] = await session.run([{ name: 'pixels', datatype: 'FP32', shape, data }], ['scores']);
  run = Math.min(run, performance.now() - before);
  scores = Array.from(output?.data as Float32Array).slice(0, 8);
}
const peak = Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024;
console.log(JSON.stringify({ create, run, peak, scores }));
