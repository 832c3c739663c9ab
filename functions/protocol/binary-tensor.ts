import { DATATYPES, type Datatype } from './datatypes.ts';
import { InvalidRequest } from './errors.ts';
import { quote } from './names.ts';
import { elementCount, type Tensor } from './tensor.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * A tensor's elements in the layout of the protocol's binary tensor data extension: little-endian, row-major, unpadded;
 * for BYTES, each element a 32-bit little-endian length and its bytes. A typed array is not copied.
 */
export function tensorToBytes(tensor: Tensor): Uint8Array {
  const { data } = tensor;
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const encoder = new TextEncoder();
  const elements = (data as readonly string[]).map((text) => encoder.encode(text));
  const bytes = new Uint8Array(elements.reduce((total, element) => total + 4 + element.length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const element of elements) {
    view.setUint32(at, element.length, true);
    bytes.set(element, at + 4);
    at += 4 + element.length;
  }
  return bytes;
}

/**
 * The inverse. An aligned tensor is a view on `bytes`, not a copy.
 *
 * @throws InvalidRequest when the bytes are not exactly the tensor's
 */
export function tensorFromBytes(
  name: string,
  datatype: Datatype,
  shape: readonly number[],
  bytes: Uint8Array<ArrayBuffer>,
): Tensor {
  const count = elementCount(shape);
  const { array: TypedArray, width } = DATATYPES[datatype];
  if (TypedArray === undefined) return { name, datatype, shape, data: unpackStrings(name, count, bytes) };
  if (bytes.length !== count * width) {
    throw new InvalidRequest(
      `input byte size mismatch for ${quote(name)}: got ${bytes.length} bytes; ` +
        `expected ${count * width} for ${datatype} of shape [${shape}]`,
    );
  }
  const aligned = bytes.byteOffset % width === 0 ? bytes : bytes.slice();
  return { name, datatype, shape, data: new TypedArray(aligned.buffer, aligned.byteOffset, count) };
}

function unpackStrings(name: string, count: number, bytes: Uint8Array<ArrayBuffer>): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const strings: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    const start = at + 4;
    const end = start <= bytes.length ? start + view.getUint32(at, true) : Number.POSITIVE_INFINITY;
    if (end > bytes.length || strings.length === count) break;
    try {
      strings.push(utf8.decode(bytes.subarray(start, end)));
    } catch {
      throw new InvalidRequest(`element ${strings.length} of ${quote(name)} is not UTF-8; ONNX strings hold only text`);
    }
    at = end;
  }
  if (at !== bytes.length || strings.length !== count) {
    throw new InvalidRequest(
      `input byte size mismatch for ${quote(name)}: its bytes do not hold exactly ${count} elements of ` +
        'a 32-bit length and so many bytes',
    );
  }
  return strings;
}
