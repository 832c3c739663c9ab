// Binary requests of one input, whose answers are known.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../../../functions/cli/failure.ts';
import { parseGolden } from '../../../functions/inference/golden.ts';
import { rawCall } from '../../setup/edges.ts';
import { binaryRequest } from '../binary-request.ts';
import { DIGITS } from '../digits.ts';
import type { Request } from '../load.ts';

export type Asked = Request & {
  readonly model: string;
  /** The numbers that the answer ends with. */
  readonly expected: Float32Array;
  readonly tolerance: number;
};

/** So many rows of the digits' golden request. */
export function digits(rows: number, model = 'digits'): Asked {
  const { request, expected, tolerance } = parseGolden(readFileSync(join(DIGITS, '1/golden.json'), 'utf8'));
  const [image, scores] = [request.inputs[0]?.data, expected[0]?.data] as [Float32Array, Float32Array];
  const asked = binaryRequest('image', [rows, 3, 32, 32], repeated(image, rows), 'probabilities');
  return { model, ...asked, expected: repeated(scores, rows), tolerance };
}

/** Of the models that give back what they get: test/models/make_models.py. */
export function given(model: string, rows: number, columns: number, tolerance: number): Asked {
  const values = new Float32Array(rows * columns).map((_, i) => (i % 256) / 256);
  return { model, ...binaryRequest('INPUT0', [rows, columns], values, 'OUTPUT0'), expected: values, tolerance };
}

export function urlOf(server: string, { model }: Asked): string {
  return `${server}/v2/models/${model}/infer`;
}

/** @throws Failure at another answer than the expected one */
export async function check(server: string, asked: Asked): Promise<void> {
  const { model, headers, body, expected, tolerance } = asked;
  const { status, bytes, text } = await rawCall(server, new URL(urlOf(server, asked)).pathname, {
    method: 'POST',
    headers: { ...headers, 'content-length': String(body.length) },
    body,
  });
  if (status !== 200) throw new Failure(`${model} answered ${status}: ${text.slice(0, 200)}`);
  const tail = Uint8Array.from(bytes.subarray(-expected.byteLength));
  const found = new Float32Array(tail.buffer, 0, tail.length >> 2);
  const wrong = expected.findIndex((value, i) => !(Math.abs(value - (found[i] ?? Number.NaN)) <= tolerance));
  if (wrong >= 0) throw new Failure(`${model} answered ${found[wrong]} at ${wrong}; expected ${expected[wrong]}`);
}

function repeated(values: Float32Array, times: number): Float32Array {
  const all = new Float32Array(values.length * times);
  for (let i = 0; i < times; i++) all.set(values, i * values.length);
  return all;
}
