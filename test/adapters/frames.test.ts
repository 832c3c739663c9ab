import { expect, test } from 'vitest';
import { type Frame, FrameReader, writeFrame } from '../../functions/adapters/frames.ts';
import type { Tensor } from '../../functions/protocol/tensor.ts';

const tensorOf = (...values: number[]): Tensor => ({
  name: 'x',
  datatype: 'FP32',
  shape: [values.length],
  data: Float32Array.from(values),
});

function framesOf(...all: readonly Tensor[][]): Buffer {
  const chunks: Uint8Array[] = [];
  const sink = { cork() {}, uncork() {}, write: (chunk: Uint8Array) => chunks.push(chunk) > 0 };
  for (const tensors of all) writeFrame(sink, {}, tensors);
  return Buffer.concat(chunks);
}

const dataOf = ({ tensors }: Frame<object>): Float32Array<ArrayBuffer> => tensors[0]?.data as Float32Array<ArrayBuffer>;

test('memory of a frame that is done is that of the next one, and of no other', () => {
  const read: Frame<object>[] = [];
  const reader = new FrameReader<object>((frame) => read.push(frame));
  reader.push(framesOf([tensorOf(1, 2, 3, 4)], [tensorOf(5, 6, 7, 8)]));
  const [first, second] = read.map(dataOf);
  // It comes while the second one is still in use.
  reader.reuse(read[0]?.tensors ?? []);
  reader.push(framesOf([tensorOf(9, 10, 11, 12)], [tensorOf(13, 14, 15, 16)]));
  const [, , third, fourth] = read.map(dataOf);
  expect(third?.buffer).toBe(first?.buffer);
  expect([second, third, fourth].map((data) => Array.from(data ?? []))).toEqual([
    [5, 6, 7, 8],
    [9, 10, 11, 12],
    [13, 14, 15, 16],
  ]);
});

test.each([
  ['a longer one', 201, false],
  ['one of half the length', 101, true],
  ['a short one', 20, false],
])('of 200 elements it is for %s: %3$s', (_, length, isReused) => {
  const read: Frame<object>[] = [];
  const reader = new FrameReader<object>((frame) => read.push(frame));
  const ones = (count: number): Tensor => tensorOf(...Array.from({ length: count }, () => 1));
  reader.push(framesOf([ones(200)]));
  reader.reuse(read[0]?.tensors ?? []);
  reader.push(framesOf([ones(length)]));
  const [first, second] = read.map(dataOf);
  expect(second?.buffer === first?.buffer).toBe(isReused);
  expect(second).toEqual(new Float32Array(length).fill(1));
});

test('text has no memory of its own to give', () => {
  const read: Frame<object>[] = [];
  const reader = new FrameReader<object>((frame) => read.push(frame));
  const text: Tensor = { name: 'x', datatype: 'BYTES', shape: [1], data: ['a'] };
  reader.push(framesOf([text]));
  reader.reuse(read[0]?.tensors ?? []);
  reader.push(framesOf([{ ...text, data: ['b'] }]));
  expect(read.map(({ tensors }) => tensors[0]?.data)).toEqual([['a'], ['b']]);
});
