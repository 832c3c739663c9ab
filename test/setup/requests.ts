import type { Client, Reply } from './edges.ts';

export type JsonTensor = { name: string; shape: number[]; datatype: string; data: unknown };

/** Posts an inference request; `inputs` may be JSON text, for tokens that JavaScript's own JSON can't write. */
export function infer(client: Client, model: string, inputs: JsonTensor[] | string, more: object = {}): Promise<Reply> {
  const text = typeof inputs === 'string' ? inputs : JSON.stringify(inputs);
  const rest = JSON.stringify(more).slice(1);
  const body = `{"inputs":${text}${rest === '}' ? '}' : `,${rest}`}`;
  return client.call(`/v2/models/${model}/infer`, { body });
}

export function identityInput(datatype: string, shape: number[], data: unknown): JsonTensor[] {
  return [{ name: 'INPUT0', shape, datatype, data }];
}

/** Ones for every input of a numeric model, at its smallest shape. */
export async function ones(client: Client, model: string): Promise<JsonTensor[]> {
  const { inputs } = JSON.parse((await client.call(`/v2/models/${model}`)).text) as {
    inputs: Omit<JsonTensor, 'data'>[];
  };
  return inputs.map(({ name, shape, datatype }) => {
    const dims = shape.map((dim) => Math.max(1, dim));
    return { name, shape: dims, datatype, data: Array(dims.reduce((a, b) => a * b, 1)).fill(1) };
  });
}
