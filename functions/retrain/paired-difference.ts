/** The 95 % quantile of the standard normal distribution: one-sided confidence of 95 %. */
const Z_95 = 1.6448536269514722;
/** Halvings of the interval [-1, 1]: beyond the precision of a double. */
const STEPS = 60;

/** How two classifiers answered the same samples. */
export type Discordance = {
  /** Samples that only the first one got right. */
  readonly onlyFirst: number;
  /** Samples that only the second one got right. */
  readonly onlySecond: number;
  /** All samples, 1 or more. */
  readonly samples: number;
};

/**
 * The lower 95 % confidence bound (one-sided) of the second classifier's accuracy minus the first one's, from -1 to 1:
 * Tango's score interval for paired proportions (T. Tango, Statistics in Medicine 17, 1998). It holds the differences that
 * a score test would not reject, with the other unknown, how often only the second one is right, at its most likely value
 * under that difference. So it stays right where hardly a sample tells the two apart, where the plain interval
 * (difference ± z · standard error) shrinks to nothing.
 * @param z the quantile of the standard normal distribution for another confidence
 */
export function lowerBound({ onlyFirst, onlySecond, samples }: Discordance, z: number = Z_95): number {
  let low = -1;
  let high = (onlySecond - onlyFirst) / samples;
  for (let step = 0; step < STEPS; step++) {
    const middle = (low + high) / 2;
    if (scoreStatistic({ onlyFirst, onlySecond, samples }, middle) > z) low = middle;
    else high = middle;
  }
  return high;
}

/**
 * The smallest number of samples with which the bound can be -margin or more: with fewer, not even classifiers that never
 * differ show it. The bound is then -z²/(n + z²).
 * @param margin from 0 to 1; Infinity samples for 0
 */
export function samplesFor(margin: number): number {
  return Math.ceil((Z_95 ** 2 * (1 - margin)) / margin);
}

/** How many standard errors the difference that was seen lies above `difference`, if that is the true one. */
function scoreStatistic({ onlyFirst: b, onlySecond: c, samples: n }: Discordance, difference: number): number {
  const seen = c - b - n * difference;
  // Tango's notation: `lost` = p12 - p21, and q the restricted estimate of p21, a root of 2n·q² + p·q + r = 0.
  const lost = -difference;
  const p = -b - c + (2 * n - b + c) * lost;
  const r = -c * lost * (1 - lost);
  const q = (Math.sqrt(p * p - 8 * n * r) - p) / (4 * n);
  const variance = n * (2 * q + lost * (1 - lost));
  if (variance <= 0) return seen === 0 ? 0 : seen * Number.POSITIVE_INFINITY;
  return seen / Math.sqrt(variance);
}
