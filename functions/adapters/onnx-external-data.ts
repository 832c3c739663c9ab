import { lstat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ModelRejected } from '../inference/ports.ts';
import { checkPath } from './file-check.ts';
import { type Fields, readFields } from './onnx-fields.ts';

/** A tensor whose data stand in another file. */
type Reference = { location: string; offset: string; length: string };

/**
 * Which messages of onnx.proto can hold a tensor, by the numbers of the fields that lead there:
 * https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */
const FIELDS: { readonly [message: string]: { readonly [field: number]: string } } = {
  Model: { 7: 'Graph', 20: 'Training', 25: 'Function' },
  Training: { 1: 'Graph', 2: 'Graph' },
  Function: { 7: 'Node' },
  Graph: { 1: 'Node', 5: 'Tensor', 15: 'SparseTensor' },
  Node: { 5: 'Attribute' },
  Attribute: { 5: 'Tensor', 6: 'Graph', 10: 'Tensor', 11: 'Graph', 22: 'SparseTensor', 23: 'SparseTensor' },
  SparseTensor: { 1: 'Tensor', 2: 'Tensor' },
};
const EXTERNAL_DATA = 13;
const MAX_DEPTH = 100;

/**
 * The files beside a model file that hold data of it, relative to its folder, found without reading the weights.
 * @throws ModelRejected for what leads out of the folder, is a link, or says more than there is
 */
export async function externalFiles(modelPath: string): Promise<readonly string[]> {
  const folder = dirname(modelPath);
  const sizes = new Map<string, number>();
  for (const { location, offset, length } of references(modelPath)) {
    const size = sizes.get(location) ?? (await sizeOf(folder, location));
    sizes.set(location, size);
    const [start, count] = [offset, length].map((text) => (/^\d{0,20}$/.test(text) ? Number(text) : Number.NaN));
    if (!((start ?? 0) + (count ?? 0) <= size)) {
      throw new ModelRejected(
        `the model reads '${location}' from ${offset || 0}, ${length || 'all'} bytes; that file has ${size}`,
      );
    }
  }
  return [...sizes.keys()];
}

async function sizeOf(folder: string, location: string): Promise<number> {
  try {
    checkPath(location);
  } catch {
    throw new ModelRejected('the model keeps data in a file outside of its folder; expected a plain path');
  }
  const parts = location.split('/');
  let found: Awaited<ReturnType<typeof lstat>> | undefined;
  for (let i = 1; i <= parts.length; i++) {
    found = await lstat(join(folder, ...parts.slice(0, i))).catch(() => undefined);
    if (found?.isSymbolicLink()) break;
  }
  if (found === undefined) throw new ModelRejected(`the model keeps data in '${location}', which is missing`);
  // A second name of a file may be one of a file that nobody meant to show.
  if (!found.isFile() || found.nlink > 1) {
    throw new ModelRejected(`the model keeps data in '${location}', which is a link; expected a file of its own`);
  }
  return Number(found.size);
}

function references(modelPath: string): Reference[] {
  const found: Reference[] = [];
  readFields(modelPath, (fields, end) => visit(fields, 'Model', end, 0, found));
  return found;
}

function visit(reader: Fields, message: string, end: number, depth: number, found: Reference[]): void {
  if (depth > MAX_DEPTH) throw new ModelRejected('the model file nests too deeply');
  const reference: Reference = { location: '', offset: '', length: '' };
  reader.each(end, (field, fieldEnd) => {
    if (message === 'Tensor') {
      if (field === EXTERNAL_DATA) readEntry(reader, fieldEnd, reference);
      return;
    }
    const inner = FIELDS[message]?.[field];
    if (inner !== undefined) visit(reader, inner, fieldEnd, depth + 1, found);
  });
  if (reference.location !== '') found.push(reference);
}

function readEntry(reader: Fields, end: number, reference: Reference): void {
  let key = '';
  let value = '';
  reader.each(end, (field, fieldEnd) => {
    if (field === 1) key = reader.text(fieldEnd);
    if (field === 2) value = reader.text(fieldEnd);
  });
  if (key === 'location' || key === 'offset' || key === 'length') reference[key] = value;
}
