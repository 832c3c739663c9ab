import { checkGolden, GOLDEN_FILE, parseGolden } from '../inference/golden.ts';
import type { ServedModel } from '../inference/model-loader.ts';
import { type FileHashes, ModelRejected, type ModelRepository } from '../inference/ports.ts';
import { ProtocolError, Unavailable } from '../protocol/errors.ts';
import { LABELS_FILE, METRICS_FILE, MODEL_FILE, type StagedModel } from './staged-model.ts';

/** What the job has measured between the trained network and the exported model: a number, or what is wrong with it. */
export async function parityOf(staged: StagedModel, hashes: FileHashes): Promise<number | string> {
  const text = await staged.text(METRICS_FILE);
  if (text === undefined)
    return `the training job has left no ${METRICS_FILE}; expected largest_difference_torch_onnx in it`;
  let metrics: { readonly [name: string]: unknown };
  try {
    metrics = Object(JSON.parse(text));
  } catch {
    return `the training job's ${METRICS_FILE} is no JSON`;
  }
  if (metrics.model_sha256 !== hashes[MODEL_FILE]) {
    return `the training job's ${METRICS_FILE} is of another model: its model_sha256 is not that of ${MODEL_FILE}`;
  }
  const { largest_difference_torch_onnx: found } = metrics;
  return typeof found === 'number' ? found : `${METRICS_FILE} has no number largest_difference_torch_onnx`;
}

/** '' where the model gives the known answer. */
export function goldenProblem(staged: StagedModel, served: ServedModel): Promise<string> {
  return rejectedAs(async () => {
    const text = await staged.text(GOLDEN_FILE);
    if (text === undefined) return `the training job has left no ${GOLDEN_FILE}; expected a request with its answer`;
    await checkGolden(served, parseGolden(text));
    return '';
  });
}

/** The labels belong to the model: every version has the same. */
export async function labelDifference(
  staged: StagedModel,
  models: ModelRepository,
  model: string,
  names: readonly string[],
): Promise<string | undefined> {
  const text = await staged.text(LABELS_FILE);
  const found = text === undefined ? undefined : linesOf(text);
  for (const name of names.length > 0 ? names : [LABELS_FILE]) {
    const own = await models.tagged(model, name);
    if (own === undefined) continue;
    const expected = linesOf(own.text);
    if (found === undefined) return `the training job has left no ${LABELS_FILE}; expected ${shown(expected)} in it`;
    if (JSON.stringify(found) === JSON.stringify(expected)) continue;
    return `its labels are ${shown(found)}; those of '${model}' are ${shown(expected)}`;
  }
  return undefined;
}

/** The names of the model's outputs, as the job has left them. */
export async function classesOf(staged: StagedModel): Promise<readonly string[]> {
  return linesOf((await staged.text(LABELS_FILE)) ?? '');
}

/** What is wrong with a model, in a sentence; what is unavailable may be there the next time, and is thrown. */
export async function rejectedAs<T>(work: () => Promise<T>): Promise<T | string> {
  try {
    return await work();
  } catch (error) {
    const isTheModels =
      error instanceof ModelRejected || (error instanceof ProtocolError && !(error instanceof Unavailable));
    if (!isTheModels) throw error;
    return error.message;
  }
}

function linesOf(text: string): string[] {
  return text.replace(/\r?\n$/, '').split(/\r?\n/);
}

function shown(labels: readonly string[]): string {
  const text = labels.join(', ');
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
