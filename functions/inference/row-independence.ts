import { noise } from '../protocol/synthetic-tensor.ts';
import type { Tensor } from '../protocol/tensor.ts';
import { mergeRows, splitRows } from './batch.ts';
import { isClose } from './closeness.ts';
import type { LoadedModel } from './ports.ts';

/** The three trial runs may take so long together; a model that is slower gains little from merging. */
const TRIAL_MS = 2_000;
/** A merged run may round differently: other kernels compute it. */
const TOLERANCE = 1e-3;

/**
 * Whether a model computes each row as if it were alone, found out with two made-up rows. An open first dimension does
 * not say so: it may be time, or the points of a cloud, and then merged requests would change each other's answers.
 */
export async function rowsAreIndependent(loaded: LoadedModel): Promise<boolean> {
  const deadline = performance.now() + TRIAL_MS;
  const names = loaded.outputs.map(({ name }) => name);
  const run = async (inputs: readonly Tensor[]): Promise<readonly Tensor[]> =>
    (await loaded.run(inputs, names, deadline)).outputs;
  const rows = [0, 1].map((row) => loaded.inputs.map((metadata, i) => noise(metadata, row * loaded.inputs.length + i)));
  try {
    const apart = await Promise.all(rows.map(run));
    const together = splitRows(await run(mergeRows(rows)), [1, 1]);
    return apart.every((outputs, row) =>
      outputs.every((tensor, i) => isClose(tensor, together?.[row]?.[i], TOLERANCE)),
    );
  } catch {
    // Not every model takes made-up inputs. Nothing is known then.
    return false;
  }
}
