import { InvalidRequest } from '../../protocol/errors.ts';
import { type ExplainMethod, type ExplainOptions, MAX_EVALUATIONS } from '../../protocol/explain-options.ts';
import type { Parameters } from '../../protocol/messages.ts';
import { type Grid, patches, type Window } from './grid.ts';
import { defaultStride, occlusionWindows } from './occlusion.ts';

/** The least squares fit takes the cube of this. */
const MAX_FEATURES = 256;
/** By default an image is cut into so many patches along its smaller side. */
const PATCHES_A_SIDE = 8;
/** By default, beside two for each feature: as many as the reference implementation takes. */
const SAMPLES = 2_048;

export type Plan = {
  readonly method: ExplainMethod;
  readonly windows: readonly Window[];
  readonly samples: number;
  /** As the answer tells it. */
  readonly used: Parameters;
};

/** What is to be evaluated. @throws InvalidRequest where that is too much */
export function planned(method: ExplainMethod, grids: readonly Grid[], options: ExplainOptions): Plan {
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
