import { DATATYPES } from '../../protocol/datatypes.ts';
import { InvalidRequest } from '../../protocol/errors.ts';
import type { ExplainOptions } from '../../protocol/explain-options.ts';
import type { InferRequest, Parameters } from '../../protocol/messages.ts';
import { quote } from '../../protocol/names.ts';
import { elementCount, type Tensor } from '../../protocol/tensor.ts';
import type { ServedModel } from '../model-loader.ts';
import { batchRows } from '../signature.ts';
import { Evaluations, type RunModel } from './evaluations.ts';
import { type Grid, gridOf, patches } from './grid.ts';
import { kernelShap } from './kernel-shap.ts';
import { occlusion } from './occlusion.ts';
import { planned } from './plan.ts';

export type Explanation = {
  /** One for each numeric input, in its shape. */
  readonly attributions: readonly Tensor[];
  /** What was explained, how, and how well. */
  readonly parameters: Parameters;
};

/**
 * Why this answer? What each element of the inputs adds to one element of an output, found by running the model on inputs
 * that lack parts of it.
 *
 * @param request whose inputs have been held against the model's signature
 * @param run computes the output of that name
 * @param deadline in milliseconds on the clock of `performance.now()`; what is known by then is the answer
 * @throws InvalidRequest for options that do not fit the model, DeadlineExceeded before anything is known
 */
export async function explain(
  { model, serving, labels }: ServedModel,
  { inputs: item, outputs: wanted }: InferRequest,
  options: ExplainOptions,
  run: (output: string) => RunModel,
  deadline: number,
): Promise<Explanation> {
  const rows = batchRows(serving, item);
  if (rows !== 1) throw new InvalidRequest(`the request has ${rows} items; expected one, as an explanation is of one`);
  const { background, seed } = options;
  const grids = item.flatMap((tensor) => {
    const format = serving.config.input?.find(({ name }) => name === tensor.name)?.format as string | undefined;
    const grid = gridOf(tensor, format);
    return grid === undefined || grid.tensor.data.length === 0 ? [] : [grid];
  });
  if (grids.length === 0)
    throw new InvalidRequest(`'${model}' got no numeric input with elements; expected at least one`);
  const method = options.method ?? (grids.some(({ isImage }) => isImage) ? 'occlusion' : 'kernel_shap');
  const output = explainedOutput(model, serving.outputs, options.output);
  const plan = planned(method, grids, options);
  const named = wantedGrids(grids, wanted);

  const evaluations = new Evaluations({
    run: run(output),
    item,
    background,
    maxBatchSize: serving.maxBatchSize,
    deadline,
  });
  let target = 0;
  const value = await evaluations.whole((tensor) => {
    target = options.target ?? largest(tensor);
    const count = elementCount(tensor.shape);
    if (target >= count) {
      throw new InvalidRequest(
        `parameter 'target' is ${target}; expected an index of '${output}', from 0 to ${count - 1}`,
      );
    }
    return target;
  });
  const base = await evaluations.without(grids.flatMap((grid) => patches(grid, Number.MAX_SAFE_INTEGER)));
  const found =
    plan.method === 'occlusion'
      ? await occlusion(evaluations, plan.windows, grids, value, seed)
      : await kernelShap(evaluations, plan.windows, grids, { value, base }, plan.samples, seed);
  // Half the bytes of FP64, and as exact as nearly all models compute.
  const sent = found.map((values) => new Float32Array(values));
  const sum = sent.reduce((total, values) => values.reduce((some, each) => some + each, total), 0);
  const [only, ...others] = grids;
  const label = labels.get(output)?.[target];
  return {
    attributions: named.map(({ name, at }) => ({
      name,
      datatype: 'FP32',
      shape: grids[at]?.tensor.shape ?? [],
      data: sent[at] ?? new Float32Array(),
    })),
    parameters: {
      method,
      ...(only === undefined || others.length > 0 ? {} : { input: only.tensor.name }),
      output,
      target,
      ...(label === undefined ? {} : { target_label: label }),
      base_value: base,
      value,
      background,
      evaluations: evaluations.count,
      completeness: sum - (value - base),
      partial: evaluations.isCut,
      ...plan.used,
      seed,
    },
  };
}

/** The attributions that the answer has: those that the request names, or all. @throws InvalidRequest */
function wantedGrids(grids: readonly Grid[], wanted: InferRequest['outputs']): { name: string; at: number }[] {
  const all = grids.map(({ tensor }, at) => ({ name: grids.length === 1 ? 'attribution' : tensor.name, at }));
  if (wanted === undefined) return all;
  return wanted.map(({ name }) => {
    const found = all.find((attribution) => attribution.name === name);
    if (found !== undefined) return found;
    const expected = all.map((attribution) => quote(attribution.name)).join(', ');
    throw new InvalidRequest(`an explanation has no output ${quote(name)}; expected ${expected}`);
  });
}

/** The output asked for; by default the first of floating point, as the labels of classifiers are integers, or else of numbers. */
function explainedOutput(
  model: string,
  outputs: ServedModel['serving']['outputs'],
  wanted: string | undefined,
): string {
  const kindOf = ({ datatype }: (typeof outputs)[number]): string => DATATYPES[datatype].kind;
  const numeric = outputs.filter((output) => kindOf(output) !== 'bytes' && kindOf(output) !== 'bool');
  const found =
    wanted === undefined
      ? (numeric.find((output) => kindOf(output) === 'float') ?? numeric[0])
      : numeric.find(({ name }) => name === wanted);
  if (found !== undefined) return found.name;
  const expected = numeric.map(({ name }) => quote(name)).join(', ') || 'a model with one';
  throw new InvalidRequest(
    wanted === undefined
      ? `'${model}' has no numeric output; expected ${expected}`
      : `parameter 'output' is ${quote(wanted)}, which is no numeric output of '${model}'; expected ${expected}`,
  );
}

function largest({ data }: Tensor): number {
  let best = 0;
  for (let i = 1; i < data.length; i++) if (Number(data[i]) > Number(data[best])) best = i;
  return best;
}
