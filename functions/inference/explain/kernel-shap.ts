import { coalitions, complement } from './coalitions.ts';
import type { Evaluations } from './evaluations.ts';
import { elementRanges, type Grid, type Window, windowSize } from './grid.ts';
import { ConstrainedLeastSquares } from './least-squares.ts';

/**
 * Kernel SHAP (Lundberg and Lee, 2017): the Shapley values of features that are there or replaced by the background, as the
 * weighted least squares fit to the values of coalitions, whose sum is `value − base`. A feature's value is spread evenly
 * over its elements.
 *
 * @param features windows that cover each element once
 * @param value the output for the whole input
 * @param base the output for the background alone
 * @returns for each grid, in the order of its elements
 */
export async function kernelShap(
  evaluations: Evaluations,
  features: readonly Window[],
  grids: readonly Grid[],
  { value, base }: { readonly value: number; readonly base: number },
  samples: number,
  seed: number,
): Promise<Float64Array[]> {
  const chosen = coalitions(features.length, samples, seed);
  const fit = new ConstrainedLeastSquares(features.length);
  await evaluations.each(
    chosen.length,
    (i) => {
      const absent = complement(chosen[i]?.present ?? new Uint16Array(), features.length);
      return Array.from(absent, (feature) => features[feature] as Window);
    },
    (i, found) => {
      const { present = new Uint16Array(), weight = 0 } = chosen[i] ?? {};
      fit.add(present, found - base, weight);
    },
  );
  const attributions = grids.map(({ tensor }) => new Float64Array(tensor.data.length));
  for (const [i, phi] of fit.solve(value - base).entries()) {
    const feature = features[i] as Window;
    const values = attributions[grids.indexOf(feature.grid)];
    for (const [start, end] of elementRanges(feature)) values?.fill(phi / windowSize(feature), start, end);
  }
  return attributions;
}
