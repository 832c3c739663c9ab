import { describe, expect, test } from 'vitest';
import { firstText, randomText, textOf, typedTensors } from '../../functions/playground/values.ts';
import { DATATYPE_NAMES, type Datatype } from '../../functions/protocol/datatypes.ts';

const read = (datatype: Datatype, shape: number[], text: string) =>
  typedTensors([{ name: 'x', datatype, shape, text }])[0]?.data;

describe('what a person types', () => {
  test.each([
    ['FP32', [3], '1, 2.5 -3', new Float32Array([1, 2.5, -3])],
    ['FP64', [2], 'NaN Infinity', new Float64Array([Number.NaN, Number.POSITIVE_INFINITY])],
    ['INT64', [1], '9223372036854775807', new BigInt64Array([2n ** 63n - 1n])],
    ['UINT8', [2, 2], '[[1, 2], [3, 4]]', new Uint8Array([1, 2, 3, 4])],
    ['BOOL', [3], 'true 0 1', new Uint8Array([1, 0, 1])],
    ['BYTES', [2], 'one, with a comma\n"two"', ['one, with a comma', '"two"']],
    ['INT32', [0], '', new Int32Array()],
  ] as const)('%s %j %j', (datatype, shape, text, data) => {
    expect(read(datatype, [...shape], text)).toEqual(data);
  });

  test.each([
    ['INT8', [1], '300', /'x'.*expected/],
    ['INT64', [1], '1.5', /'x'.*expected/],
    ['FP32', [2], '1', /'x' has 1 elements in 'data'; its shape \[2\] expects 2/],
    ['FP32', [1.5], '1', /'x'.*expected/],
    ['FP32', [1], 'one', /\w+ \w+/],
  ] as const)('%s %j %j is told in a sentence', (datatype, shape, text, sentence) => {
    expect(() => read(datatype, [...shape], text)).toThrow(sentence);
  });
});

test.each(DATATYPE_NAMES)('%s: what the form offers can be sent, and is written as it was', (datatype) => {
  for (const make of [firstText, randomText]) {
    const text = make(datatype, [2, 2]);
    const [tensor] = typedTensors([{ name: 'x', datatype, shape: [2, 2], text }]);
    expect(tensor?.data).toHaveLength(4);
    const [again] = typedTensors([
      { name: 'x', datatype, shape: [2, 2], text: textOf(tensor as NonNullable<typeof tensor>) },
    ]);
    expect(again).toEqual(tensor);
  }
});
