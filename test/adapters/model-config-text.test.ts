import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseModelConfigJson } from '../../functions/adapters/model-config-json.ts';
import { MODEL_CONFIG } from '../../functions/adapters/model-config-schema.ts';
import { parseModelConfig } from '../../functions/adapters/model-config-text.ts';
import type { Message } from '../../functions/adapters/protobuf-schema.ts';
import { ModelRejected } from '../../functions/inference/ports.ts';

const PREFIX = "config.pbtxt can't be read: ";

function sentenceOf(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof ModelRejected) return error.message;
    throw error;
  }
  return 'accepted';
}

test('the configuration of the digits', () => {
  const text = readFileSync(join(import.meta.dirname, '../../model-artifacts/digits/config.pbtxt'), 'utf8');
  expect(parseModelConfig(text)).toEqual({
    name: 'digits',
    platform: 'onnxruntime_onnx',
    max_batch_size: 256,
    input: [{ name: 'image', data_type: 'TYPE_FP32', format: 'FORMAT_NCHW', dims: [3, 32, 32] }],
    output: [{ name: 'probabilities', data_type: 'TYPE_FP32', dims: [10], label_filename: 'labels.txt' }],
    parameters: { drawing_grid: { string_value: '8' } },
  });
});

test.each([
  ['max_batch_size = 3', "line 1, column 16: got '='; expected ':' and the value of 'max_batch_size'"],
  [
    'name: "x"\n\n  max_batch_size: "three"',
    `line 3, column 19: got '"three"'; expected an integer from -2147483648 to 2147483647 for 'max_batch_size'`,
  ],
  [
    'model_warmup {\n\tcount: -1 }',
    "line 2, column 10: got '-1'; expected an integer from 0 to 4294967295 for 'count'",
  ],
  ['input { optional: yes }', "line 1, column 19: got 'yes'; expected true or false for 'optional'"],
  ['input { data_type: FP32 }', "line 1, column 20: got 'FP32'; expected one of TYPE_INVALID, TYPE_BOOL, "],
  ['name: 3', "line 1, column 7: got '3'; expected a string in quotes for 'name'"],
  ['input: 5', "line 1, column 8: got '5'; expected '{' and the fields of 'input'"],
  ['input { dims: [1 2] }', "line 1, column 18: got '2'; expected ',' or ']' in the list of 'dims'"],
  ['input { name: "x"', "line 1, column 18: the text ends; expected a field of Input, or '}'"],
  ['name: "x" }', "line 1, column 11: got '}'; expected a field of ModelConfig, or the end of the text"],
  ['[a.b]: 3', "line 1, column 1: got '['; expected a field of ModelConfig, or the end of the text"],
  ['reshape { }', "line 1, column 1: unknown field 'reshape' of ModelConfig; expected one of name, platform, "],
  ['version_policy { all { x: 1 } }', "line 1, column 24: unknown field 'x' of Empty; expected one of none"],
  [
    'parameters { kee: 1 }',
    "line 1, column 14: unknown field 'kee' of an entry of 'parameters'; expected one of key, value",
  ],
  ['name: "x" name: "y"', "line 1, column 11: 'name' is there twice; expected it once"],
  ['name: "x\ny"', 'line 1, column 9: a string has a line break or a NUL; expected " at the end of the string'],
  ["name: 'x", "line 1, column 9: the text ends; expected ' at the end of the string"],
  ['name: "x\\q"', String.raw`line 1, column 9: got the escape '\q'; expected \n and its like, \ooo up to \377, `],
  ['name: # ä\n "\\xff" "x"', "line 2, column 2: the escapes of 'name' make no characters; expected UTF-8"],
  [`${'x'.repeat(1000)}: 3`, `line 1, column 1: unknown field '${'x'.repeat(77)}...' of ModelConfig; expected one of `],
])('%j is refused with its place, what was got and what is expected', (text, sentence) => {
  const got = sentenceOf(() => parseModelConfig(text));
  expect(got.slice(0, PREFIX.length + sentence.length)).toBe(PREFIX + sentence);
});

test.each([
  ['{"max_batch_size": "x"}', `'max_batch_size': got '"x"'; expected an integer from -2147483648 to 2147483647`],
  ['{"input": [{}, {"dims": [1, true]}]}', "'input[1].dims[1]': got 'true'; expected an integer from -92"],
  ['{"input": {}}', "'input': got '{}'; expected an array"],
  ['{"parameters": {"a": {"string_value": 1}}}', "'parameters['a'].string_value': got '1'; expected a string"],
  ['{"input": [{"nonsense": 1}]}', "unknown field 'input[0].nonsense' of Input; expected one of name, data_type, "],
  ['{"max_batch_size": 1, "maxBatchSize": 1}', "'max_batch_size' is there twice; expected it once"],
  ['[]', "got '[]'; expected an object"],
  ['{"name": "x"', "malformed JSON: it ends at byte 12; expected ',' or '}'"],
])('%s as JSON is refused with its field, what was got and what is expected', (text, sentence) => {
  const got = sentenceOf(() => parseModelConfigJson(text));
  expect(got.slice(0, PREFIX.length + sentence.length)).toBe(PREFIX + sentence);
});

test.each([
  'default_model_filename: "../x.onnx"',
  'default_model_filename: ".."',
  'output { label_filename: "/etc/passwd" }',
  'model_warmup { inputs { key: "x" value { input_data_file: "a/b" } } }',
])('%s is outside of its folder', (text) => {
  expect(sentenceOf(() => parseModelConfig(text))).toMatch(/names a file outside of its folder/);
});

test('a key like __proto__ is a key like any other', () => {
  const config = parseModelConfig('parameters { key: "__proto__" value { string_value: "x" } }');
  expect(Object.keys(config.parameters ?? {})).toEqual(['__proto__']);
  expect(Object.keys(parseModelConfigJson('{"parameters": {"__proto__": {}}}').parameters ?? {})).toEqual([
    '__proto__',
  ]);
});

test('the types are known, and none is within itself, which bounds how deep a text can go', () => {
  const scalars = ['string', 'bool', 'int32', 'uint32', 'int64', 'uint64', 'float', 'double'];
  const depthOf = (message: Message, within: readonly string[]): number => {
    expect(within).not.toContain(message.name);
    const depths = Array.from(message.fields.values(), ({ type }) => {
      const inner = MODEL_CONFIG.message(type);
      if (inner !== undefined) return depthOf(inner, [...within, message.name]);
      expect(scalars.includes(type) || MODEL_CONFIG.valuesOf(type) !== undefined, type).toBe(true);
      return 0;
    });
    return 1 + Math.max(0, ...depths);
  };
  expect(depthOf(MODEL_CONFIG.root(), [])).toBeLessThan(10);
});

// The stack would overflow, or a limit of seconds be passed, where time grows with the square of the length.
test.each([
  ['brackets', '{'.repeat(1e6)],
  ['lists', `input ${'['.repeat(1e6)}`],
  ['comments', '#\n'.repeat(5e5)],
  ['an open string', `name: "${'\\n'.repeat(5e5)}`],
  ['escapes', `name: "${'\\303\\251'.repeat(1e5)}"`],
  ['strings', `name: ${'"x" '.repeat(2e5)}`],
  ['a number', `max_batch_size: ${'1.e+'.repeat(2e5)}`],
  ['values', `input { dims: [${'1,'.repeat(2e5)}1] }`],
])('a text of a megabyte is read or refused: %s', { timeout: 20_000 }, (_, text) => {
  expect(sentenceOf(() => parseModelConfig(text))).toMatch(/^(?:accepted|config\.pbtxt can't be read)/);
});
