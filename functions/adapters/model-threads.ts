import { workOf } from './onnx-flops.ts';

/** Floating-point operations of a product, below which it takes as long to wake a second thread as that one saves. */
const SMALL_FLOPS = 6_000_000;
/**
 * What it takes to read a weight is as much as so many operations, which counts where it is used once: 5 where a core reads fast
 * (AMD EPYC), 20 where it does not (Intel Xeon), and Lambda has both.
 */
const FLOPS_PER_WEIGHT = 10;

/**
 * Threads of a run, of as many as there are CPUs: one where the model's convolutions and matrix products, one by one, are too
 * small to be shared. Where that can't be told before the session is made, all: for operators that are not known, and for a
 * compiled file, which only large models have.
 * @param path of the model file
 * @throws ModelRejected
 */
export function threadsFor(path: string, cpus: number): number {
  if (cpus === 1 || !path.endsWith('.onnx')) return cpus;
  const work = workOf(path);
  if (work === undefined || work.products === 0) return cpus;
  const flops = work.flops + FLOPS_PER_WEIGHT * work.weights;
  return flops / work.products < SMALL_FLOPS ? 1 : cpus;
}
