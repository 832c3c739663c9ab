import { ProtocolError, Unavailable } from '../protocol/errors.ts';
import type { Tensor } from '../protocol/tensor.ts';
import type { ServedModel } from './model-loader.ts';
import { ModelRejected } from './ports.ts';
import { fits, toClientShapes, toModelShapes } from './signature.ts';

/** One of a held-out set: an input, and the class that it is known to be of. */
export type Sample = { readonly tensor: Tensor; readonly label: string };

export type Evaluation = {
  readonly correct: number;
  readonly samples: number;
  /** Of each sample, in order: the class that the model gave it; undefined where its answer is no number. */
  readonly predictions: readonly (string | undefined)[];
  /** Median time in the model of one sample, in milliseconds. */
  readonly inferMs: number;
};

/** A model that did not answer a sample. */
export class AnswerFailed extends ModelRejected {
  readonly served: ServedModel;

  constructor(served: ServedModel, message: string) {
    super(message);
    this.served = served;
  }
}

const TIMEOUT_MS = 60_000;

/**
 * Lets a classifier answer a held-out set, one sample at a time.
 * @param classes by the model's output index, where it has no labels of its own
 * @throws ModelRejected for a model that is no classifier of one input
 */
export async function evaluate(
  served: ServedModel,
  samples: AsyncIterable<Sample>,
  classes: readonly string[],
): Promise<Evaluation> {
  const [evaluation] = await evaluateTogether([served], samples, classes);
  return evaluation as Evaluation;
}

/**
 * Lets classifiers of the same inputs answer a held-out set, each sample one after the other and in turns first, so that
 * whatever slows the machine down for a while slows all of them down.
 * @returns in the models' order
 * @throws ModelRejected for a model that is no classifier of one input, AnswerFailed
 */
export async function evaluateTogether(
  models: readonly ServedModel[],
  samples: AsyncIterable<Sample>,
  classes: readonly string[],
): Promise<Evaluation[]> {
  const runs = models.map((served) => {
    const { serving, labels } = served;
    const [output] = serving.outputs;
    if (serving.inputs.length !== 1 || output === undefined) {
      throw new ModelRejected(`the model has ${serving.inputs.length} inputs; expected one, of pictures`);
    }
    const names = labels.get(output.name) ?? classes;
    return {
      served,
      output: output.name,
      names,
      predictions: [] as (string | undefined)[],
      times: [] as number[],
      correct: 0,
    };
  });
  let first = 0;
  for await (const { tensor, label } of samples) {
    for (const run of [...runs.slice(first), ...runs.slice(0, first)]) {
      const { value, ms } = await answer(run.served, tensor, run.output);
      const prediction = run.names[largest(value)];
      run.predictions.push(prediction);
      run.times.push(ms);
      if (prediction === label) run.correct++;
    }
    first = (first + 1) % runs.length;
  }
  return runs.map(({ correct, predictions, times }) => {
    times.sort((a, b) => a - b);
    return { correct, samples: predictions.length, predictions, inferMs: times[Math.floor(times.length / 2)] ?? 0 };
  });
}

async function answer(served: ServedModel, tensor: Tensor, output: string): Promise<{ value: Tensor; ms: number }> {
  const { inputs, outputs } = served.serving;
  try {
    const computed = await served.loaded.run(toModelShapes(inputs, [tensor]), [output], performance.now() + TIMEOUT_MS);
    const [value] = toClientShapes(outputs, computed.outputs) as [Tensor];
    const expected = outputs.find(({ name }) => name === output)?.shape ?? [];
    if (!fits(value.shape, expected)) {
      throw new AnswerFailed(served, `output '${output}' has the shape [${value.shape}]; expected [${expected}]`);
    }
    return { value, ms: computed.timing.infer };
  } catch (error) {
    // What is unavailable may be there the next time, and says nothing about the model.
    if (!(error instanceof ProtocolError) || error instanceof Unavailable) throw error;
    throw new AnswerFailed(served, error.message);
  }
}

/** -1 where one is no number. */
function largest({ data }: Tensor): number {
  let at = 0;
  for (let i = 0; i < data.length; i++) {
    if (Number.isNaN(data[i])) return -1;
    if ((data[i] as number) > (data[at] as number)) at = i;
  }
  return at;
}
