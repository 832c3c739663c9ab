import { type Fields, readFields } from './onnx-fields.ts';

export type OnnxSummary = {
  readonly producer: string;
  /** Versions of the operator sets that it uses, by domain; '' is ONNX's own. */
  readonly opsets: { readonly [domain: string]: number };
  /** How many numbers its weights are. */
  readonly parameters: number;
  readonly nodes: number;
};

/**
 * What a model file says of itself; its weights are not read.
 * @throws ModelRejected
 */
export function summarize(path: string): OnnxSummary {
  let producer = '';
  let parameters = 0;
  let nodes = 0;
  const opsets: { [domain: string]: number } = {};
  readFields(path, (fields, end) => {
    fields.each(end, (field, fieldEnd) => {
      if (field === 2) producer = fields.text(fieldEnd);
      if (field === 3) producer = `${producer} ${fields.text(fieldEnd)}`;
      if (field === 8) readOpset(fields, fieldEnd, opsets);
      if (field !== 7) return;
      fields.each(fieldEnd, (graphField, graphEnd) => {
        if (graphField === 1) nodes++;
        if (graphField === 5) parameters += elements(fields, graphEnd);
      });
    });
  });
  return { producer, opsets, parameters, nodes };
}

function readOpset(fields: Fields, end: number, opsets: { [domain: string]: number }): void {
  let domain = '';
  let version = 0;
  fields.each(
    end,
    (field, fieldEnd) => {
      if (field === 1) domain = fields.text(fieldEnd);
    },
    (field, value) => {
      if (field === 2) version = value;
    },
  );
  opsets[domain] = version;
}

/** Of a TensorProto, from its dims. */
function elements(fields: Fields, end: number): number {
  let count = 1;
  const multiply = (dim: number): void => {
    count *= dim;
  };
  fields.each(
    end,
    (field, fieldEnd) => {
      if (field === 1) fields.numbers(fieldEnd).forEach(multiply);
    },
    (field, value) => {
      if (field === 1) multiply(value);
    },
  );
  return count;
}
