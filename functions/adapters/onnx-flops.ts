import { type Fields, readFields } from './onnx-fields.ts';

type Shape = readonly number[];
/** Of a node: its integers and lists of integers by name; an `auto_pad` that keeps the size is named `same`. */
type Attributes = { readonly [name: string]: readonly number[] };
type Node = {
  operator: string;
  domain: string;
  inputs: string[];
  outputs: string[];
  attributes: { [name: string]: readonly number[] };
  /** The tensor of a Constant. */
  constant: Tensor | undefined;
};
type Tensor = { name: string; dims: number[]; integers: number[] | undefined };
type Graph = { nodes: Node[]; shapes: Map<string, Shape>; integers: Map<string, readonly number[]> };

type Product = 'Conv' | 'ConvTranspose' | 'Gemm' | 'MatMul';
/** Each with the one of its kind that has the same operands and shapes. */
const PRODUCTS: ReadonlyMap<string, Product> = new Map([
  ['Conv', 'Conv'],
  ['ConvInteger', 'Conv'],
  ['ConvTranspose', 'ConvTranspose'],
  ['Gemm', 'Gemm'],
  ['MatMul', 'MatMul'],
  ['MatMulInteger', 'MatMul'],
]);
const SAME_SHAPE = new Set(
  (
    'Abs BatchNormalization Cast Ceil Clip Cos DequantizeLinear Dropout DynamicQuantizeLinear Elu Erf Exp Floor Gelu ' +
    'GroupNormalization HardSigmoid HardSwish Identity InstanceNormalization IsNaN LayerNormalization LeakyRelu Log LogSoftmax Mish Neg Not QuantizeLinear Reciprocal Relu Round ' +
    'Selu Sigmoid Sign Sin Softmax Softplus Softsign Sqrt Tanh'
  ).split(' '),
);
const BROADCAST = new Set('Add And Div Equal Greater Less Max Mean Min Mod Mul Or PRelu Pow Sub Sum Where'.split(' '));
/** They multiply nothing, and their shapes are known only where the file tells them. */
const MOVES = new Set(
  (
    'ArgMax ArgMin Constant ConstantOfShape DepthToSpace Expand Gather Pad Range ReduceMax ReduceMean ReduceMin ReduceSum ' +
    'Resize Shape Size Slice SpaceToDepth Squeeze Tile TopK Unsqueeze'
  ).split(' '),
);

/** Of one run: its convolutions and matrix products. What else a model computes is little beside them. */
export type Work = {
  /** Two for each multiplication and addition. */
  readonly flops: number;
  /** How many there are. */
  readonly products: number;
  /** Elements of what they multiply by, all together; most of it are weights. */
  readonly weights: number;
  /** Those of matrix products. */
  readonly matrixWeights: number;
  readonly operators: ReadonlySet<string>;
};

/**
 * What one run computes. A first dimension that the file leaves open is 1. Weights are not read.
 * @returns undefined where the file does not tell: an unknown operator, or a shape that depends on values
 * @throws ModelRejected
 */
export function workOf(path: string): Work | undefined {
  const { nodes, shapes, integers } = readGraph(path);
  let [multiplyAdds, products, weights, matrixWeights] = [0, 0, 0, 0];
  const operators = new Set<string>();
  for (const node of nodes) {
    const { operator, domain, inputs, outputs, attributes } = node;
    const [first, second] = inputs.map((name) => shapes.get(name));
    const set = (shape: Shape | undefined): void => {
      if (outputs[0] !== undefined && shape !== undefined) shapes.set(outputs[0], shape);
    };
    if (domain !== '' && domain !== 'ai.onnx') return undefined;
    operators.add(operator);
    const kind = PRODUCTS.get(operator);
    if (kind !== undefined) {
      if (first === undefined || second === undefined) return undefined;
      const found = product(kind, first, second, attributes);
      if (found === undefined) return undefined;
      multiplyAdds += found.multiplyAdds;
      products++;
      weights += size(second);
      if (kind === 'Gemm' || kind === 'MatMul') matrixWeights += size(second);
      set(found.shape);
    } else if (SAME_SHAPE.has(operator)) set(first);
    else if (BROADCAST.has(operator)) set(broadcast(inputs.map((name) => shapes.get(name))));
    else if (operator === 'MaxPool' || operator === 'AveragePool') {
      set(first && [...first.slice(0, 2), ...windows(first.slice(2), attributes.kernel_shape ?? [], attributes)]);
    } else if (operator === 'GlobalAveragePool' || operator === 'GlobalMaxPool') {
      set(first && [...first.slice(0, 2), ...first.slice(2).map(() => 1)]);
    } else if (operator === 'Flatten') {
      const [axis = 1] = attributes.axis ?? [];
      set(first && [size(first.slice(0, axis)), size(first.slice(axis))]);
    } else if (operator === 'Transpose') {
      set(first && (attributes.perm?.map((dim) => first[dim] ?? 1) ?? first.toReversed()));
    } else if (operator === 'Concat')
      set(
        concatenated(
          inputs.map((name) => shapes.get(name)),
          attributes.axis?.[0] ?? 0,
        ),
      );
    else if (operator === 'Reshape') set(reshaped(first, integers.get(inputs[1] ?? '')));
    else if (operator === 'Split') {
      const [axis = 0] = attributes.axis ?? [];
      for (const [i, name] of outputs.entries()) {
        const part = integers.get(inputs[1] ?? '')?.[i] ?? (first?.at(axis) ?? 0) / outputs.length;
        if (first !== undefined) shapes.set(name, replaced(first, axis, part));
      }
    } else if (!MOVES.has(operator)) return undefined;
  }
  return { flops: 2 * multiplyAdds, products, weights, matrixWeights, operators };
}

function product(
  operator: Product,
  input: Shape,
  weights: Shape,
  attributes: Attributes,
): { shape: Shape; multiplyAdds: number } | undefined {
  const [rows = 1] = input;
  if (operator === 'Conv') {
    const shape = [rows, weights[0] ?? 1, ...windows(input.slice(2), weights.slice(2), attributes)];
    return { shape, multiplyAdds: size(shape) * size(weights.slice(1)) };
  }
  if (operator === 'ConvTranspose') {
    const [groups = 1] = attributes.group ?? [];
    const spatial = attributes.output_shape ?? spread(input.slice(2), weights.slice(2), attributes);
    return {
      shape: [rows, (weights[1] ?? 1) * groups, ...spatial],
      multiplyAdds: size(input) * size(weights.slice(1)),
    };
  }
  if (Math.min(input.length, weights.length) < 2) return undefined;
  const left = attributes.transA?.[0] ? input.toReversed() : input;
  const right = attributes.transB?.[0] ? weights.toReversed() : weights;
  const batch = broadcast([left.slice(0, -2), right.slice(0, -2)]) ?? [];
  const shape = [...batch, left.at(-2) ?? 1, right.at(-1) ?? 1];
  return { shape, multiplyAdds: size(shape) * (left.at(-1) ?? 1) };
}

/** Where a window of a convolution or pool fits. */
function windows(spatial: Shape, kernel: Shape, attributes: Attributes): number[] {
  const { strides, dilations, pads, ceil_mode, same } = attributes;
  const round = ceil_mode?.[0] ? Math.ceil : Math.floor;
  return spatial.map((dim, i) => {
    const stride = strides?.[i] ?? 1;
    if (same !== undefined) return Math.ceil(dim / stride);
    const padded = dim + (pads?.[i] ?? 0) + (pads?.[i + spatial.length] ?? 0);
    return round((padded - ((kernel[i] ?? 1) - 1) * (dilations?.[i] ?? 1) - 1) / stride) + 1;
  });
}

function spread(spatial: Shape, kernel: Shape, { strides, dilations, pads, output_padding }: Attributes): number[] {
  return spatial.map(
    (dim, i) =>
      (dim - 1) * (strides?.[i] ?? 1) +
      ((kernel[i] ?? 1) - 1) * (dilations?.[i] ?? 1) +
      1 +
      (output_padding?.[i] ?? 0) -
      (pads?.[i] ?? 0) -
      (pads?.[i + spatial.length] ?? 0),
  );
}

function broadcast(shapes: readonly (Shape | undefined)[]): Shape | undefined {
  const known = shapes.filter((shape) => shape !== undefined);
  if (known.length < shapes.length) return undefined;
  const rank = Math.max(0, ...known.map(({ length }) => length));
  return Array.from({ length: rank }, (_, i) => Math.max(...known.map((shape) => shape.at(i - rank) ?? 1)));
}

function concatenated(shapes: readonly (Shape | undefined)[], axis: number): Shape | undefined {
  const known = shapes.filter((shape) => shape !== undefined);
  const [first] = known;
  if (first === undefined || known.length < shapes.length) return undefined;
  const sum = known.reduce((total, shape) => total + (shape.at(axis) ?? 0), 0);
  return replaced(first, axis, sum);
}

function replaced(shape: Shape, axis: number, dim: number): Shape {
  return shape.map((other, i) => (i === (axis < 0 ? axis + shape.length : axis) ? dim : other));
}

function reshaped(shape: Shape | undefined, target: readonly number[] | undefined): Shape | undefined {
  if (shape === undefined || target === undefined) return undefined;
  const copied = target.map((dim, i) => (dim === 0 ? (shape[i] ?? 1) : dim));
  const rest = size(shape) / size(copied.filter((dim) => dim !== -1));
  return copied.map((dim) => (dim === -1 ? rest : dim));
}

function size(shape: Shape): number {
  return shape.reduce((a, b) => a * b, 1);
}

// Field numbers of onnx.proto: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto

function readGraph(path: string): Graph {
  const graph: Graph = { nodes: [], shapes: new Map(), integers: new Map() };
  const keep = ({ name, dims, integers }: Tensor): void => {
    graph.shapes.set(name, dims);
    if (integers !== undefined) graph.integers.set(name, integers);
  };
  readFields(path, (fields, end) => {
    fields.each(end, (field, fieldEnd) => {
      if (field !== 7) return;
      fields.each(fieldEnd, (part, partEnd) => {
        if (part === 1) graph.nodes.push(readNode(fields, partEnd));
        else if (part === 5) keep(readTensor(fields, partEnd));
        else if (part === 11 || part === 13) {
          const { name, shape } = readValue(fields, partEnd);
          // A weight may be listed as an input as well.
          if (shape !== undefined && !graph.shapes.has(name)) graph.shapes.set(name, shape);
        }
      });
    });
  });
  for (const { constant, outputs } of graph.nodes) {
    if (constant !== undefined) keep({ ...constant, name: outputs[0] ?? '' });
  }
  return graph;
}

function readNode(fields: Fields, end: number): Node {
  const node: Node = { operator: '', domain: '', inputs: [], outputs: [], attributes: {}, constant: undefined };
  fields.each(end, (field, fieldEnd) => {
    if (field === 1) node.inputs.push(fields.text(fieldEnd));
    else if (field === 2) node.outputs.push(fields.text(fieldEnd));
    else if (field === 4) node.operator = fields.text(fieldEnd);
    else if (field === 7) node.domain = fields.text(fieldEnd);
    else if (field === 5) readAttribute(fields, fieldEnd, node);
  });
  return node;
}

function readAttribute(fields: Fields, end: number, node: Node): void {
  let name = '';
  const values: number[] = [];
  fields.each(
    end,
    (field, fieldEnd) => {
      if (field === 1) name = fields.text(fieldEnd);
      else if (field === 4 && name === 'auto_pad' && fields.text(fieldEnd).startsWith('SAME')) name = 'same';
      else if (field === 5 && name === 'value') node.constant = readTensor(fields, fieldEnd);
      else if (field === 8) values.push(...fields.numbers(fieldEnd));
    },
    (field, value) => {
      if (field === 3 || field === 8) values.push(value);
    },
  );
  node.attributes[name] = values;
}

/** The numbers of a small tensor of 64-bit integers are read as well: they may be a shape. */
function readTensor(fields: Fields, end: number): Tensor {
  const tensor: Tensor = { name: '', dims: [], integers: undefined };
  const isShape = (): boolean => type === INT64 && tensor.dims.length === 1 && (tensor.dims[0] ?? 0) <= MAX_RANK;
  let type = 0;
  fields.each(
    end,
    (field, fieldEnd) => {
      if (field === 1) tensor.dims.push(...fields.numbers(fieldEnd));
      else if (field === 8) tensor.name = fields.text(fieldEnd);
      else if (field === 7 && isShape()) tensor.integers = fields.numbers(fieldEnd);
      else if (field === 9 && isShape()) {
        const bytes = fields.bytes(fieldEnd);
        tensor.integers = Array.from({ length: bytes.length >> 3 }, (_, i) => Number(bytes.readBigInt64LE(8 * i)));
      }
    },
    (field, value) => {
      if (field === 1) tensor.dims.push(value);
      else if (field === 2) type = value;
    },
  );
  return tensor;
}

const INT64 = 7;
const MAX_RANK = 16;

/** Its shape is undefined where a dimension but the first is left open. */
function readValue(fields: Fields, end: number): { name: string; shape: Shape | undefined } {
  let name = '';
  let dims: (number | undefined)[] | undefined;
  fields.each(end, (field, fieldEnd) => {
    if (field === 1) name = fields.text(fieldEnd);
    if (field !== 2) return;
    fields.each(fieldEnd, (kind, kindEnd) => {
      if (kind !== 1) return;
      fields.each(kindEnd, (part, partEnd) => {
        if (part !== 2) return;
        const found: (number | undefined)[] = [];
        dims = found;
        fields.each(partEnd, (_, dimEnd) => {
          const at = found.push(undefined) - 1;
          fields.each(
            dimEnd,
            () => {},
            (what, value) => {
              if (what === 1) found[at] = value;
            },
          );
        });
      });
    });
  });
  const shape = dims?.map((dim, i) => dim ?? (i === 0 ? 1 : undefined));
  return { name, shape: shape?.every((dim) => dim !== undefined) ? shape : undefined };
}
