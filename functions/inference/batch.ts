import { DATATYPES, type NumericArray } from '../protocol/datatypes.ts';
import { elementCount, type Tensor } from '../protocol/tensor.ts';

/** The inputs of several requests as those of one, one request's rows after the other's. */
export function mergeRows(requests: readonly (readonly Tensor[])[]): readonly Tensor[] {
  const [first] = requests;
  if (first === undefined || requests.length === 1) return first ?? [];
  return first.map((tensor) => {
    const parts = requests.map((inputs) => inputs.find(({ name }) => name === tensor.name) as Tensor);
    const rows = parts.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0);
    return { ...tensor, shape: [rows, ...tensor.shape.slice(1)], data: concatenate(parts) };
  });
}

function concatenate(parts: readonly Tensor[]): Tensor['data'] {
  const TypedArray = parts[0] && DATATYPES[parts[0].datatype].array;
  if (TypedArray === undefined) return parts.flatMap(({ data }) => data as readonly string[]);
  const whole = new TypedArray(parts.reduce((sum, { data }) => sum + data.length, 0)) as Float32Array<ArrayBuffer>;
  let at = 0;
  for (const { data } of parts) {
    whole.set(data as Float32Array, at);
    at += data.length;
  }
  return whole;
}

/**
 * The inverse for the outputs: views of each request's rows. Undefined when an output does not have exactly the rows
 * of the inputs, so that nobody could say whose is what.
 */
export function splitRows(outputs: readonly Tensor[], rowsOf: readonly number[]): (readonly Tensor[])[] | undefined {
  const all = rowsOf.reduce((sum, rows) => sum + rows, 0);
  if (outputs.some(({ shape }) => shape[0] !== all)) return undefined;
  let start = 0;
  return rowsOf.map((rows) => {
    const from = start;
    start += rows;
    return outputs.map((tensor) => {
      const inner = tensor.shape.slice(1);
      const width = elementCount(inner);
      return { ...tensor, shape: [rows, ...inner], data: view(tensor.data, from * width, (from + rows) * width) };
    });
  });
}

function view(data: Tensor['data'], start: number, end: number): Tensor['data'] {
  return ArrayBuffer.isView(data) ? (data as NumericArray).subarray(start, end) : data.slice(start, end);
}
