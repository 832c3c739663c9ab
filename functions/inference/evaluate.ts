import type { Tensor } from '../protocol/tensor.ts';
import type { ServedModel } from './model-loader.ts';
import { ModelRejected } from './ports.ts';
import { toModelShapes } from './signature.ts';

/** One of a held-out set: an input, and the class that it is known to be of. */
export type Sample = { readonly tensor: Tensor; readonly label: string };

export type Evaluation = {
  readonly correct: number;
  readonly samples: number;
  /** Of each sample, in order: the class that the model gave it. */
  readonly predictions: readonly string[];
  /** Median time in the model of one sample, in milliseconds. */
  readonly inferMs: number;
};

const TIMEOUT_MS = 60_000;

/**
 * Lets a classifier answer a held-out set, one sample at a time.
 * @param classes by the model's output index, where it has no labels of its own
 * @throws ModelRejected for a model that is no classifier of one input
 */
export async function evaluate(
  { loaded, serving, labels }: ServedModel,
  samples: AsyncIterable<Sample>,
  classes: readonly string[],
): Promise<Evaluation> {
  const [output] = serving.outputs;
  if (serving.inputs.length !== 1 || output === undefined) {
    throw new ModelRejected(`the model has ${serving.inputs.length} inputs; expected one, of pictures`);
  }
  const names = labels.get(output.name) ?? classes;
  const predictions: string[] = [];
  const times: number[] = [];
  let correct = 0;
  for await (const { tensor, label } of samples) {
    const inputs = toModelShapes(serving.inputs, [tensor]);
    const { outputs, timing } = await loaded.run(inputs, [output.name], performance.now() + TIMEOUT_MS);
    const prediction = names[largest(outputs[0] as Tensor)] ?? 'unknown';
    predictions.push(prediction);
    times.push(timing.infer);
    if (prediction === label) correct++;
  }
  times.sort((a, b) => a - b);
  return { correct, samples: predictions.length, predictions, inferMs: times[Math.floor(times.length / 2)] ?? 0 };
}

function largest({ data }: Tensor): number {
  let at = 0;
  for (let i = 1; i < data.length; i++) if ((data[i] as number) > (data[at] as number)) at = i;
  return at;
}
