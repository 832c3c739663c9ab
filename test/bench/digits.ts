// The digits as the bench asks them: one picture, as JSON and as a binary tensor, and what ONNX Runtime itself says to it.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { binaryRequest } from './binary-request.ts';
import type { Request } from './load.ts';

export type Format = 'JSON' | 'binary';

export const DIGITS = join(import.meta.dirname, '../../model-artifacts/digits');
export const DIGITS_FILE = join(DIGITS, '1/model.onnx');

type Golden = { request: { inputs: [{ name: string; datatype: string; shape: number[]; data: number[] }] } };

const { request: golden } = JSON.parse(readFileSync(join(DIGITS, '1/golden.json'), 'utf8')) as Golden;
const [input] = golden.inputs;

const values = Float32Array.from(input.data.flat(9));

/** FP32, 1 x 3 x 32 x 32, little-endian, as the picture itself. */
export const pixels = Buffer.from(values.buffer);

export function digitsRequests(): { readonly [format in Format]: Request } {
  return {
    JSON: {
      body: Buffer.from(JSON.stringify({ inputs: [input] })),
      headers: { 'content-type': 'application/json' },
    },
    binary: binaryRequest(input.name, input.shape, values, 'probabilities'),
  };
}

/** What the bare model says to the picture: all servers are held against it. */
export async function expectedScores(): Promise<number[]> {
  const { InferenceSession, Tensor } = (await import('onnxruntime-node')).default;
  const session = await InferenceSession.create(DIGITS_FILE, { intraOpNumThreads: 1 });
  const image = new Tensor('float32', values, input.shape);
  const { probabilities } = await session.run({ image });
  return Array.from(probabilities?.data as Float32Array);
}

/** The scores of an answer: a list in JSON, or the last bytes of a body. */
export function scoresOf(format: Format, bytes: Buffer, count: number): number[] {
  if (format === 'JSON') return JSON.parse(bytes.toString()).outputs[0].data.flat();
  const tail = bytes.subarray(-count * Float32Array.BYTES_PER_ELEMENT);
  return Array.from({ length: count }, (_, i) => tail.readFloatLE(i * 4));
}

export function isClose(scores: readonly number[], expected: readonly number[]): boolean {
  return (
    scores.length === expected.length &&
    scores.every((score, i) => Math.abs(score - (expected[i] ?? Number.NaN)) < 1e-4)
  );
}
