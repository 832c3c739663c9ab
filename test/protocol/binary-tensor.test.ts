import { describe, expect, test } from 'vitest';
import { tensorFromBytes, tensorToBytes } from '../../functions/protocol/binary-tensor.ts';

test('numbers are little-endian, and a view in both directions', () => {
  const data = new Int32Array([1, -2]);
  const bytes = tensorToBytes({ name: 'x', datatype: 'INT32', shape: [2], data }) as Uint8Array<ArrayBuffer>;
  expect(Array.from(bytes)).toEqual([1, 0, 0, 0, 254, 255, 255, 255]);
  expect(bytes.buffer).toBe(data.buffer);
  const back = tensorFromBytes('x', 'INT32', [2], bytes);
  expect((back.data as Int32Array).buffer).toBe(data.buffer);
});

test('an unaligned tensor is copied once', () => {
  const body = new Uint8Array([9, 0, 0, 128, 63]);
  const { data } = tensorFromBytes('x', 'FP32', [1], body.subarray(1));
  expect(Array.from(data as Float32Array)).toEqual([1]);
});

test('BYTES: a 32-bit length before each element', () => {
  const data = ['ab', '', '\ufeffé'];
  const bytes = tensorToBytes({ name: 'x', datatype: 'BYTES', shape: [3], data }) as Uint8Array<ArrayBuffer>;
  expect(Array.from(bytes)).toEqual([2, 0, 0, 0, 97, 98, 0, 0, 0, 0, 5, 0, 0, 0, 0xef, 0xbb, 0xbf, 0xc3, 0xa9]);
  expect(tensorFromBytes('x', 'BYTES', [3], bytes).data).toEqual(data);
});

describe('bytes that are not the tensor', () => {
  test.each([
    ['too few', 'INT32', [2], [1, 2, 3, 4]],
    ['too many', 'INT32', [1], [1, 2, 3, 4, 5]],
    ['a length beyond the end', 'BYTES', [1], [255, 255, 255, 255]],
    ['half a length', 'BYTES', [1], [1, 0]],
    ['fewer strings', 'BYTES', [2], [0, 0, 0, 0]],
    ['more strings', 'BYTES', [1], [0, 0, 0, 0, 0, 0, 0, 0]],
  ] as const)('%s', (_, datatype, shape, bytes) => {
    expect(() => tensorFromBytes('x', datatype, shape, new Uint8Array(bytes))).toThrow(/byte size mismatch for 'x'/);
  });

  test('not UTF-8', () => {
    expect(() => tensorFromBytes('x', 'BYTES', [1], new Uint8Array([1, 0, 0, 0, 255]))).toThrow(/not UTF-8/);
  });
});
