import { DATATYPES, type Datatype } from '../protocol/datatypes.ts';
import { decodeInferRequest } from '../protocol/infer-request.ts';
import type { InferRequest } from '../protocol/messages.ts';
import { elementCount, type Tensor } from '../protocol/tensor.ts';

/** One input as a person has typed it: JSON, or elements with spaces or commas between them, BYTES one a line. */
export type Typed = {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly text: string;
};

/**
 * Reads what was typed with the protocol's own reader: integers are exact, ranges are checked.
 * @throws InvalidRequest with one sentence for the first thing that is wrong
 */
export function typedTensors(inputs: readonly Typed[]): readonly Tensor[] {
  const described = inputs.map(({ name, datatype, shape, text }) => {
    const head = JSON.stringify({ name, datatype, shape });
    return `${head.slice(0, -1)},"data":${dataOf(datatype, text)}}`;
  });
  return readRequest(`{"inputs":[${described.join(',')}]}`).inputs;
}

/** @throws InvalidRequest */
export function readRequest(json: string): InferRequest {
  return decodeInferRequest(new TextEncoder().encode(json));
}

function dataOf(datatype: Datatype, text: string): string {
  const trimmed = text.trim();
  if (trimmed.startsWith('[')) return trimmed;
  if (datatype === 'BYTES') return JSON.stringify(text.split('\n'));
  const elements = trimmed.split(/[\s,]+/).filter((element) => element !== '');
  if (datatype !== 'BOOL') return `[${elements.join(',')}]`;
  return `[${elements.map((element) => ({ 1: 'true', 0: 'false' })[element] ?? element).join(',')}]`;
}

/** The text of a tensor's elements, as it can be typed. */
export function textOf({ datatype, data }: Tensor): string {
  if (datatype === 'BYTES') return (data as readonly string[]).join('\n');
  const elements = Array.from(data as ArrayLike<unknown>, (value) =>
    datatype === 'BOOL' ? String(value === 1) : String(value),
  );
  return elements.join(', ');
}

/** A first thing to send: zeros, false, or some words. */
export function firstText(datatype: Datatype, shape: readonly number[]): string {
  const count = elementCount(shape);
  const element = { bool: 'false', bytes: 'some text' }[DATATYPES[datatype].kind as string] ?? '0';
  return Array(count)
    .fill(element)
    .join(datatype === 'BYTES' ? '\n' : ', ');
}

/** Elements by chance: 0 to 1 for floats, small integers, either truth. */
export function randomText(datatype: Datatype, shape: readonly number[]): string {
  const { kind } = DATATYPES[datatype];
  const element = (): string => {
    if (kind === 'bool') return String(Math.random() < 0.5);
    if (kind === 'bytes') return Math.random().toString(36).slice(2, 8);
    return kind === 'float' ? Math.random().toFixed(4) : String(Math.floor(Math.random() * 10));
  };
  return Array.from({ length: elementCount(shape) }, element).join(kind === 'bytes' ? '\n' : ', ');
}
