import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, inject, test } from 'vitest';
import { threadsFor } from '../../functions/adapters/model-threads.ts';

const ROOT = join(import.meta.dirname, '../..');
const DIGITS = join(ROOT, 'model-artifacts/digits/1/model.onnx');
const modelOf = (name: string): string => join(inject('repository'), name, '1/model.onnx');

test.each([
  ['the digits, whose five products are of 0.3 MFLOP each', () => DIGITS, 1],
  ['one product of 1 MFLOP with weights that are read once', () => modelOf('wide'), 1],
  ['sixteen products of 2 MFLOP each, with twice as many weights', () => modelOf('reflections'), 4],
  ['no product at all', () => modelOf('add_sub'), 4],
  ['what the file does not tell', () => modelOf('endless_loop'), 4],
  ['a compiled file, which only large models have', () => '/no/such/compiled/model.ort', 4],
])('%s: of four CPUs %3$d', (_, path, expected) => {
  expect(threadsFor(path(), 4)).toBe(expected);
  expect(threadsFor(path(), 1)).toBe(1);
});

test('a session has as many threads as that, or as its configuration says', ({ skip }) => {
  if (!existsSync('/proc/self/task')) return skip('this system does not list the threads of a process');
  const engine = pathToFileURL(join(ROOT, 'functions/adapters/inline-engine.ts'));
  const one = { parameters: { intra_op_thread_count: { string_value: '1' } } };
  // The first one also starts ONNX Runtime.
  const loads = [
    [DIGITS, {}],
    [DIGITS, {}],
    [modelOf('reflections'), {}],
    [modelOf('reflections'), one],
  ];
  const script = `
    import { readdirSync } from 'node:fs';
    import { InlineEngine } from '${engine}';
    const engine = new InlineEngine(4);
    const counts = [];
    for (const [path, config] of ${JSON.stringify(loads)}) {
      await engine.load({ model: 'm', version: '1' }, path, config);
      counts.push(readdirSync('/proc/self/task').length);
    }
    console.log(JSON.stringify(counts));
    process.exit();`;
  const printed = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  const [started = 0, small, large, configured] = JSON.parse(printed);
  // The thread that calls is one of them.
  expect([small, large, configured]).toEqual([started, started + 3, started + 3]);
});
