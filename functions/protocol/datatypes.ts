/** The arrays that hold a tensor's elements; FP16 elements are half-precision floats, BOOL elements are bytes 0 or 1. */
export type NumericArray =
  | Uint8Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | BigUint64Array<ArrayBuffer>
  | Int8Array<ArrayBuffer>
  | Int16Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | BigInt64Array<ArrayBuffer>
  | Float16Array<ArrayBuffer>
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>;

type NumericConstructor = {
  new (length: number): NumericArray;
  new (buffer: ArrayBuffer, byteOffset?: number, length?: number): NumericArray;
};

type DatatypeFacts = {
  /** What ONNX Runtime calls it. */
  readonly ort: string;
  readonly kind: 'bool' | 'int' | 'bigint' | 'float' | 'bytes';
  /** Bytes per element on the wire; 0 for BYTES, whose elements carry their own lengths. */
  readonly width: 0 | 1 | 2 | 4 | 8;
  readonly array: NumericConstructor | undefined;
  /** Smallest and largest value of the integers up to 32 bits. */
  readonly min: number;
  readonly max: number;
};

const facts = (
  ort: string,
  kind: DatatypeFacts['kind'],
  width: DatatypeFacts['width'],
  array: NumericConstructor | undefined,
  min = 0,
  max = 0,
): DatatypeFacts => ({ ort, kind, width, array, min, max });

/**
 * Every datatype of the Open Inference Protocol that ONNX Runtime for Node can hold. BF16, the one Triton adds, is not
 * among them: onnxruntime-node has no such tensor.
 */
export const DATATYPES = {
  BOOL: facts('bool', 'bool', 1, Uint8Array),
  UINT8: facts('uint8', 'int', 1, Uint8Array, 0, 255),
  UINT16: facts('uint16', 'int', 2, Uint16Array, 0, 65_535),
  UINT32: facts('uint32', 'int', 4, Uint32Array, 0, 4_294_967_295),
  UINT64: facts('uint64', 'bigint', 8, BigUint64Array),
  INT8: facts('int8', 'int', 1, Int8Array, -128, 127),
  INT16: facts('int16', 'int', 2, Int16Array, -32_768, 32_767),
  INT32: facts('int32', 'int', 4, Int32Array, -2_147_483_648, 2_147_483_647),
  INT64: facts('int64', 'bigint', 8, BigInt64Array),
  FP16: facts('float16', 'float', 2, Float16Array),
  FP32: facts('float32', 'float', 4, Float32Array),
  FP64: facts('float64', 'float', 8, Float64Array),
  BYTES: facts('string', 'bytes', 0, undefined),
} as const satisfies Record<string, DatatypeFacts>;

export type Datatype = keyof typeof DATATYPES;

export const DATATYPE_NAMES: readonly Datatype[] = Object.keys(DATATYPES) as Datatype[];

const byOrtName = new Map<string, Datatype>(DATATYPE_NAMES.map((name) => [DATATYPES[name].ort, name]));

export function isDatatype(name: string): name is Datatype {
  return Object.hasOwn(DATATYPES, name);
}

/** The protocol's name of one of ONNX Runtime's types, or undefined for a type that the protocol has no name for. */
export function datatypeOfOrt(ortName: string): Datatype | undefined {
  return byOrtName.get(ortName);
}
