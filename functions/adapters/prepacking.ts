import { workOf } from './onnx-flops.ts';

/** Their weights are copied as well, or those of what ONNX Runtime makes of them: what that is worth was not measured. */
const OTHERS = ['ConvTranspose', 'DequantizeLinear', 'MatMulInteger'];
/** What it takes to copy a weight of a matrix product is as much as so many operations. Measured: 20 to 45. */
const FLOPS_PER_WEIGHT = 50;
/** Of a run. */
const WORTH = 0.02;

/**
 * Whether a compiled model gains by prepacking: ONNX Runtime then copies the weights of matrix products into another layout when
 * a session is made, a copy for each process. Otherwise it does so in each run on more than one row, which is nothing beside the
 * convolutions of a model that has one product at its end; those have their layout in the file. Operators that are not known
 * (among them LSTM and GRU, whose weights are prepacked) may gain.
 * @param path of the plain model file
 * @throws ModelRejected
 */
export function gainsByPrepacking(path: string): boolean {
  const work = workOf(path);
  if (work === undefined || OTHERS.some((operator) => work.operators.has(operator))) return true;
  return work.matrixWeights * FLOPS_PER_WEIGHT > WORTH * work.flops;
}
