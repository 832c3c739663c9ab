import { randomNumbers, shuffle } from './random-numbers.ts';

/** Which features are there, ascending, and how much that counts. */
export type Coalition = { readonly present: Uint16Array; weight: number };

/**
 * The coalitions that Kernel SHAP evaluates, without the empty and the full one, whose values are constraints.
 *
 * The Shapley kernel weighs each coalition of s of M features (M − 1) / (C(M, s) · s · (M − s)), so that those of few or of
 * nearly all features tell the most. As the reference implementation does it, all coalitions of a size (and of their
 * complements' size) are taken while there are samples for them, from the outside in; the rest of the samples is drawn, each
 * with its complement, and shares the rest of the weight. With 2^M − 2 samples or more that is all of them: exact values.
 *
 * @param samples at least 2 · M, so that each feature is alone once, and missing once
 */
export function coalitions(features: number, samples: number, seed: number): Coalition[] {
  const found: Coalition[] = [];
  const weights = sizeWeights(features);
  let left = samples;
  let weightLeft = 1;
  let size = 1;
  for (; size <= weights.length; size++) {
    const isPaired = 2 * size !== features;
    const count = binomial(features, size) * (isPaired ? 2 : 1);
    if (size > 1 && (count > left || (left * (weights[size - 1] as number)) / weightLeft < count * (1 - 1e-8))) break;
    const weight = (weights[size - 1] as number) / count;
    for (const present of subsets(features, size)) {
      found.push({ present, weight });
      if (isPaired) found.push({ present: complement(present, features), weight });
    }
    left -= count;
    weightLeft -= weights[size - 1] as number;
  }
  if (size <= weights.length && left > 1) found.push(...drawn(features, weights, size, left, weightLeft, seed));
  return found;
}

/** Of each size up to half of the features: the part of all weight that it and its complements' size have. */
function sizeWeights(features: number): number[] {
  const weights = Array.from({ length: Math.floor(features / 2) }, (_, i) => {
    const size = i + 1;
    return ((features - 1) / (size * (features - size))) * (2 * size === features ? 1 : 2);
  });
  const all = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / all);
}

/** Drawn coalitions, of sizes from `smallest` on; one that is drawn again counts more, and is evaluated once. */
function drawn(
  features: number,
  weights: readonly number[],
  smallest: number,
  samples: number,
  weightLeft: number,
  seed: number,
): Coalition[] {
  const random = randomNumbers(seed);
  const found = new Map<string, Coalition>();
  const all = Array.from({ length: features }, (_, i) => i);
  const add = (present: Uint16Array): void => {
    const key = present.join();
    const known = found.get(key);
    if (known === undefined) found.set(key, { present, weight: 1 });
    else known.weight++;
  };
  let draws = 0;
  // Where nearly everything was drawn, new ones are rare.
  while (found.size + 2 <= samples && draws < 4 * samples) {
    let size = smallest;
    for (let at = random() * weightLeft; size < weights.length; size++) {
      at -= weights[size - 1] as number;
      if (at < 0) break;
    }
    const present = Uint16Array.from(shuffle([...all], random, size).slice(0, size)).sort();
    add(present);
    add(complement(present, features));
    draws += 2;
  }
  for (const coalition of found.values()) coalition.weight *= weightLeft / draws;
  return [...found.values()];
}

function* subsets(features: number, size: number): Iterable<Uint16Array> {
  const chosen = Array.from({ length: size }, (_, i) => i);
  for (;;) {
    yield Uint16Array.from(chosen);
    let at = size - 1;
    while (at >= 0 && chosen[at] === features - size + at) at--;
    if (at < 0) return;
    chosen[at] = (chosen[at] as number) + 1;
    for (let next = at + 1; next < size; next++) chosen[next] = (chosen[next - 1] as number) + 1;
  }
}

export function complement(present: Uint16Array, features: number): Uint16Array {
  const absent: number[] = [];
  let at = 0;
  for (let i = 0; i < features; i++) {
    if (present[at] === i) at++;
    else absent.push(i);
  }
  return Uint16Array.from(absent);
}

function binomial(n: number, k: number): number {
  let result = 1;
  for (let i = 1; i <= k; i++) result = (result * (n - k + i)) / i;
  return result;
}
