import type { Request } from './load.ts';

/**
 * A binary request of one FP32 tensor; the output comes as bytes, too.
 * @param values their length is the product of the shape
 */
export function binaryRequest(input: string, shape: readonly number[], values: Float32Array, output: string): Request {
  const inputs = [{ name: input, datatype: 'FP32', shape, parameters: { binary_data_size: values.byteLength } }];
  const text = JSON.stringify({ inputs, outputs: [{ name: output, parameters: { binary_data: true } }] });
  // As long as the tensor's place in the body needs to be a multiple of 8.
  const header = text.padEnd(Math.ceil(text.length / 8) * 8);
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return {
    body: Buffer.concat([Buffer.from(header), bytes]),
    headers: { 'content-type': 'application/octet-stream', 'inference-header-content-length': String(header.length) },
  };
}
