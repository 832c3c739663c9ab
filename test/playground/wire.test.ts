import { expect, test } from 'vitest';
import { decodeResponse, encodeRequest } from '../../functions/playground/wire.ts';
import { decodeInferRequest } from '../../functions/protocol/infer-request.ts';
import { encodeInferResponse } from '../../functions/protocol/infer-response.ts';
import type { Tensor } from '../../functions/protocol/tensor.ts';

const tensors: readonly Tensor[] = [
  { name: 'text', datatype: 'BYTES', shape: [1, 2], data: ['Grüße', ''] },
  { name: 'whole', datatype: 'INT64', shape: [2], data: new BigInt64Array([2n ** 63n - 1n, -1n]) },
  { name: 'truth', datatype: 'BOOL', shape: [3], data: new Uint8Array([1, 0, 1]) },
  { name: 'number', datatype: 'FP32', shape: [2], data: new Float32Array([Number.NaN, 1.5]) },
  { name: 'half', datatype: 'FP16', shape: [1], data: new Float16Array([0.5]) },
  { name: 'none', datatype: 'FP64', shape: [0], data: new Float64Array() },
];

test('the server reads what the page writes, in place where it can', () => {
  const outputs = [{ name: 'scores', parameters: { classification: 3 } }];
  const { headerLength, body } = encodeRequest({ inputs: tensors, outputs, parameters: { timeout: 5 } });
  expect(headerLength % 8).toBe(0);
  const read = decodeInferRequest(body, headerLength);
  expect(read.inputs).toEqual(tensors);
  expect(read.outputs).toEqual(outputs);
  expect(read.parameters).toEqual({ timeout: 5, binary_data_output: true });
});

test('the page reads what the server writes', () => {
  const response = { id: undefined, modelName: 'm', modelVersion: '3', outputs: tensors };
  const { body, headerLength } = encodeRequest({ inputs: [] });
  const { headerLength: length, parts } = encodeInferResponse(response, decodeInferRequest(body, headerLength));
  const answered = decodeResponse(new Uint8Array(Buffer.concat(parts)), length);
  expect([answered.modelVersion, answered.outputs]).toEqual(['3', tensors]);
});

test('an answer without an element is nothing but JSON', () => {
  const text =
    '{"model_version":"1","outputs":[{"name":"o","datatype":"FP32","shape":[0],"parameters":{"binary_data_size":0}}]}';
  expect(decodeResponse(new TextEncoder().encode(text), undefined).outputs[0]?.data).toEqual(new Float32Array());
});
