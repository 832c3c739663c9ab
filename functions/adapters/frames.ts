import { tensorFromBytes, tensorToBytes } from '../protocol/binary-tensor.ts';
import type { Datatype } from '../protocol/datatypes.ts';
import type { Tensor } from '../protocol/tensor.ts';

/** A message between the server and a child process: an object and tensors. */
export type Frame<Message extends object> = { readonly message: Message; readonly tensors: readonly Tensor[] };

type Sink = { cork(): void; uncork(): void; write(chunk: Uint8Array): boolean };

/** Lengths of header and body, 32 bits each. */
const PREFIX_BYTES = 8;
/** Every tensor starts at a multiple of this, so that the receiver's typed arrays are views. */
const ALIGNMENT = 8;

const pad = (length: number): number => (ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT;

type TensorHeader = { name: string; datatype: Datatype; shape: readonly number[]; bytes: number };

/**
 * Sends one frame: prefix, JSON header padded with spaces, then each tensor in the protocol's own binary layout, padded.
 * The tensors' memory is handed to the stream as it is.
 */
export function writeFrame(sink: Sink, message: object, tensors: readonly Tensor[] = []): void {
  const parts = tensors.map(tensorToBytes);
  const headers: TensorHeader[] = tensors.map(({ name, datatype, shape }, i) => ({
    name,
    datatype,
    shape,
    bytes: parts[i]?.length ?? 0,
  }));
  const json = Buffer.from(JSON.stringify({ message, tensors: headers }));
  const head = Buffer.alloc(PREFIX_BYTES + json.length + pad(json.length), ' ');
  const bodyLength = parts.reduce((total, part) => total + part.length + pad(part.length), 0);
  head.writeUInt32LE(head.length - PREFIX_BYTES, 0);
  head.writeUInt32LE(bodyLength, 4);
  json.copy(head, PREFIX_BYTES);
  sink.cork();
  sink.write(head);
  for (const part of parts) {
    if (part.length > 0) sink.write(part);
    if (pad(part.length) > 0) sink.write(new Uint8Array(pad(part.length)));
  }
  sink.uncork();
}

/** Puts frames together from the stream's chunks, copying each byte once into the memory that the tensors then view. */
export class FrameReader<Message extends object> {
  readonly #onFrame: (frame: Frame<Message>) => void;
  readonly #prefix = new Uint8Array(PREFIX_BYTES);
  #body: Uint8Array<ArrayBuffer> | undefined;
  #filled = 0;
  #spare: ArrayBuffer | undefined;

  constructor(onFrame: (frame: Frame<Message>) => void) {
    this.#onFrame = onFrame;
  }

  push(chunk: Uint8Array): void {
    let rest = chunk;
    while (rest.length > 0) {
      const target = this.#body ?? this.#prefix;
      const part = rest.subarray(0, target.length - this.#filled);
      target.set(part, this.#filled);
      this.#filled += part.length;
      rest = rest.subarray(part.length);
      if (this.#filled === target.length) this.#complete();
    }
  }

  /**
   * Takes the memory of a frame's tensors for one that comes; nobody may look at them any more. Otherwise V8 would let tens of
   * megabytes of them wait, in each process, and new memory costs a page fault for every 4 kB.
   */
  reuse(tensors: readonly Tensor[]): void {
    for (const { data } of tensors) {
      if (ArrayBuffer.isView(data) && data.buffer instanceof ArrayBuffer) this.#spare = data.buffer;
    }
  }

  /** A spare of more than twice the size is not kept. */
  #allocate(length: number): Uint8Array<ArrayBuffer> {
    const spare = this.#spare;
    this.#spare = undefined;
    const fits = spare !== undefined && length <= spare.byteLength && spare.byteLength <= 2 * length;
    return fits ? new Uint8Array(spare, 0, length) : new Uint8Array(length);
  }

  #complete(): void {
    this.#filled = 0;
    const prefix = new DataView(this.#prefix.buffer);
    const headerLength = prefix.getUint32(0, true);
    const body = this.#body;
    if (body === undefined) {
      this.#body = this.#allocate(headerLength + prefix.getUint32(4, true));
      return;
    }
    this.#body = undefined;
    const { message, tensors } = JSON.parse(Buffer.from(body.buffer, 0, headerLength).toString()) as {
      message: Message;
      tensors: TensorHeader[];
    };
    let at = headerLength;
    const read = tensors.map(({ name, datatype, shape, bytes }) => {
      const tensor = tensorFromBytes(name, datatype, shape, body.subarray(at, at + bytes));
      at += bytes + pad(bytes);
      return tensor;
    });
    this.#onFrame({ message, tensors: read });
  }
}
