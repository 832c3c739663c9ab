import { DATATYPES } from '../../protocol/datatypes.ts';
import { InvalidRequest } from '../../protocol/errors.ts';
import { type ExplainMethod, type ExplainOptions, MAX_EVALUATIONS } from '../../protocol/explain-options.ts';
import type { InferRequest, Parameters } from '../../protocol/messages.ts';
import { quote } from '../../protocol/names.ts';
import { elementCount, type Tensor } from '../../protocol/tensor.ts';
import type { ServedModel } from '../model-loader.ts';
import { batchRows } from '../signature.ts';
import { Evaluations, type RunModel } from './evaluations.ts';
import { type Grid, gridOf, patches } from './grid.ts';
import { kernelShap } from './kernel-shap.ts';
import { defaultStride, occlusion, occlusionWindows } from './occlusion.ts';

export type Explanation = {
  /** One for each numeric input, in its shape. */
  readonly attributions: readonly Tensor[];
  /** What was explained, how, and how well. */
  readonly parameters: Parameters;
};

/** The least squares fit takes the cube of this. */
const MAX_FEATURES = 256;
/** By default an image is cut into so many patches along its smaller side. */
const PATCHES_A_SIDE = 8;
/** By default, beside two for each feature: as many as the reference implementation takes. */
const SAMPLES = 2_048;

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

type Plan = {
  readonly method: ExplainMethod;
  readonly windows: ReturnType<typeof patches>;
  readonly samples: number;
  /** As the answer tells it. */
  readonly used: Parameters;
};

/** What is to be evaluated. @throws InvalidRequest where that is too much */
function planned(method: ExplainMethod, grids: readonly Grid[], options: ExplainOptions): Plan {
  const side = Math.max(...grids.map(({ height, width, isImage }) => (isImage ? Math.min(height, width) : width)));
  if (options.patch !== undefined && options.patch > side) {
    throw new InvalidRequest(`parameter 'patch' is ${options.patch}; expected at most ${side}, the side of the input`);
  }
  const share = Math.max(1, Math.floor(MAX_FEATURES / grids.length));
  const patchOf = (grid: Grid): number => options.patch ?? defaultPatch(grid, share);
  const patch = patchOf(grids.find(({ isImage }) => isImage) ?? (grids[0] as Grid));
  if (method === 'occlusion') {
    const stride = options.stride ?? defaultStride(patch);
    if (stride > patch) {
      throw new InvalidRequest(
        `parameter 'stride' is ${stride}; expected at most the patch, ${patch}, to leave no gaps`,
      );
    }
    const planned = grids.reduce((sum, grid) => sum + windowCount(grid, patchOf(grid), options.stride), 0);
    if (planned > MAX_EVALUATIONS) {
      throw new InvalidRequest(
        `patch ${patch} and stride ${stride} need ${planned} evaluations; expected at most ${MAX_EVALUATIONS}: ` +
          'larger ones need fewer',
      );
    }
    const windows = occlusionWindows(grids, patchOf, options.stride);
    return { method, windows, samples: 0, used: { patch, stride } };
  }
  const count = grids.reduce(
    (sum, grid) => sum + Math.ceil(grid.height / patchOf(grid)) * Math.ceil(grid.width / patchOf(grid)),
    0,
  );
  if (count > MAX_FEATURES) {
    throw new InvalidRequest(
      `patch ${patch} makes ${count} features; expected at most ${MAX_FEATURES}: a larger 'patch' makes fewer`,
    );
  }
  const all = 2 ** count - 2;
  const samples = Math.min(options.samples ?? 2 * count + SAMPLES, all);
  const least = Math.min(2 * count, all);
  if (samples < least) {
    throw new InvalidRequest(
      `parameter 'samples' is ${samples}; expected at least ${least}, two for each of the ${count} features`,
    );
  }
  const windows = grids.flatMap((grid) => patches(grid, patchOf(grid)));
  return { method, windows, samples, used: { patch, samples } };
}

function windowCount({ height, width }: Grid, patch: number, stride = defaultStride(patch)): number {
  const along = (length: number): number => Math.ceil(Math.max(0, length - patch) / Math.min(stride, patch)) + 1;
  return along(height) * along(width);
}

/** Such that the grid has no more features than its share. */
function defaultPatch({ height, width, isImage }: Grid, share: number): number {
  if (!isImage) return Math.ceil(width / share);
  let patch = Math.ceil(Math.min(height, width) / PATCHES_A_SIDE);
  while (Math.ceil(height / patch) * Math.ceil(width / patch) > share) patch++;
  return patch;
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
