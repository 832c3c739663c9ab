// The digits as the bench asks them: one picture, as JSON and as a binary tensor, and what ONNX Runtime itself says to it.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export type Format = 'JSON' | 'binary';
export type Request = { readonly body: Buffer; readonly headers: { [name: string]: string } };

export const DIGITS = join(import.meta.dirname, '../../model-artifacts/digits');
export const DIGITS_FILE = join(DIGITS, '1/model.onnx');

type Golden = { request: { inputs: [{ name: string; datatype: string; shape: number[]; data: number[] }] } };

const { request: golden } = JSON.parse(readFileSync(join(DIGITS, '1/golden.json'), 'utf8')) as Golden;
const [input] = golden.inputs;

/** FP32, 1 x 3 x 32 x 32, little-endian, as the picture itself. */
export const pixels = Buffer.from(Float32Array.from(input.data.flat(9)).buffer);

export function digitsRequests(): { readonly [format in Format]: Request } {
  const { name, datatype, shape } = input;
  const header = Buffer.from(
    JSON.stringify({
      inputs: [{ name, datatype, shape, parameters: { binary_data_size: pixels.length } }],
      outputs: [{ name: 'probabilities', parameters: { binary_data: true } }],
    }),
  );
  const aligned = Buffer.concat([header, Buffer.alloc(-header.length & 7, ' ')]);
  return {
    JSON: {
      body: Buffer.from(JSON.stringify({ inputs: [input] })),
      headers: { 'content-type': 'application/json' },
    },
    binary: {
      body: Buffer.concat([aligned, pixels]),
      headers: {
        'content-type': 'application/octet-stream',
        'inference-header-content-length': String(aligned.length),
      },
    },
  };
}

/** What the bare model says to the picture: all servers are held against it. */
export async function expectedScores(): Promise<number[]> {
  const { InferenceSession, Tensor } = (await import('onnxruntime-node')).default;
  const session = await InferenceSession.create(DIGITS_FILE, { intraOpNumThreads: 1 });
  const image = new Tensor('float32', Float32Array.from(input.data.flat(9)), input.shape);
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
