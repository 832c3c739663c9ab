import { readFile, stat } from 'node:fs/promises';
import { PbfReader } from 'pbf';

/**
 * Operators whose work and output size follow from the shapes of their inputs alone. The list is closed on purpose: an
 * operator that is not on it may loop (Loop, Scan, If) or make its output as large as a value says (Expand, Range,
 * NonZero ...).
 */
const STATIC_OPERATORS = new Set(
  (
    'Abs Acos Add And ArgMax ArgMin Asin Atan AveragePool BatchNormalization BitwiseAnd BitwiseNot BitwiseOr Cast Ceil ' +
    'Clip Concat Constant Conv ConvTranspose Cos Cosh DepthToSpace Div Dropout Elu Equal Erf Exp Flatten Floor Gather ' +
    'Gelu Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual GroupNormalization HardSigmoid HardSwish Identity ' +
    'InstanceNormalization LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax MatMul Max MaxPool Mean Min Mish ' +
    'Mod Mul Neg Not Or PRelu Pow QuantizeLinear DequantizeLinear Reciprocal Relu Round Selu Shape Sigmoid Sign Sin Sinh ' +
    'Softmax Softplus Softsign SpaceToDepth Sqrt Sub Sum Tan Tanh ThresholdedRelu Transpose Where Xor ' +
    'ConvInteger DynamicQuantizeLinear MatMulInteger QLinearConv QLinearMatMul'
  ).split(' '),
);

/** Operators that are static when every input after the first is a constant of the file. */
const STATIC_WITH_CONSTANT_OPERANDS = new Set(
  'ReduceMax ReduceMean ReduceMin ReduceSum Reshape Slice Split Squeeze Unsqueeze'.split(' '),
);

/** A model that runs in well under a millisecond is far smaller; larger files are not read a second time. */
export const MAX_STATIC_BYTES = 16 * 1024 * 1024;

type Node = { operator: string; domain: string; inputs: string[]; outputs: string[]; hasSubgraph: boolean };

/**
 * Whether the model file has neither control flow nor data-dependent shapes, so that one run's work is bounded by the
 * shapes of its inputs. False when in doubt.
 */
export async function isStaticGraph(path: string): Promise<boolean> {
  if ((await stat(path)).size > MAX_STATIC_BYTES) return false;
  const { nodes, constants, hasFunctions } = readModel(await readFile(path));
  for (const { operator, outputs } of nodes) {
    if (operator === 'Constant') for (const output of outputs) constants.add(output);
  }
  return !hasFunctions && nodes.every((node) => isStaticNode(node, constants));
}

function isStaticNode(node: Node, constants: ReadonlySet<string>): boolean {
  if (node.hasSubgraph || (node.domain !== '' && node.domain !== 'ai.onnx')) return false;
  if (STATIC_OPERATORS.has(node.operator)) return true;
  if (!STATIC_WITH_CONSTANT_OPERANDS.has(node.operator)) return false;
  return node.inputs.slice(1).every((name) => name === '' || constants.has(name));
}

// Field numbers of onnx.proto: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto

function readModel(bytes: Uint8Array): { nodes: Node[]; constants: Set<string>; hasFunctions: boolean } {
  const nodes: Node[] = [];
  const constants = new Set<string>();
  const graphInputs: string[] = [];
  let hasFunctions = false;
  const readName = (field: number) => (tag: number, _: unknown, pbf: PbfReader) => {
    if (tag === field) name = pbf.readString();
  };
  let name = '';
  const nameOf = (pbf: PbfReader, field: number): string => {
    name = '';
    pbf.readMessage(readName(field), undefined);
    return name;
  };
  new PbfReader(bytes).readFields((modelField, _, pbf) => {
    if (modelField === 25) hasFunctions = true;
    if (modelField !== 7) return;
    pbf.readMessage((graphField, __, graph) => {
      if (graphField === 1) nodes.push(readNode(graph));
      else if (graphField === 5) constants.add(nameOf(graph, 8));
      else if (graphField === 11) graphInputs.push(nameOf(graph, 1));
    }, undefined);
  }, undefined);
  // An initializer that is also an input is only a default, which a request may override.
  for (const input of graphInputs) constants.delete(input);
  return { nodes, constants, hasFunctions };
}

function readNode(pbf: PbfReader): Node {
  const node: Node = { operator: '', domain: '', inputs: [], outputs: [], hasSubgraph: false };
  pbf.readMessage((field, _, reader) => {
    if (field === 1) node.inputs.push(reader.readString());
    else if (field === 2) node.outputs.push(reader.readString());
    else if (field === 4) node.operator = reader.readString();
    else if (field === 7) node.domain = reader.readString();
    else if (field === 5) {
      reader.readMessage((attributeField) => {
        if (attributeField === 6 || attributeField === 11) node.hasSubgraph = true;
      }, undefined);
    }
  }, undefined);
  return node;
}
