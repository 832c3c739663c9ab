/** The 97.5 % quantile of the standard normal distribution. */
const Z_95 = 1.959963984540054;

/**
 * The 95 % Wilson score interval of a proportion (E. B. Wilson, J. Am. Stat. Assoc. 22, 1927), from 0 to 1. Unlike
 * p ± z·sqrt(p(1-p)/n) it keeps its confidence where the proportion is near 1.
 * @param successes from 0 to trials
 * @param trials 1 or more
 */
export function wilsonInterval(successes: number, trials: number): readonly [low: number, high: number] {
  const share = successes / trials;
  const scale = 1 + Z_95 ** 2 / trials;
  const centre = (share + Z_95 ** 2 / (2 * trials)) / scale;
  const half = (Z_95 * Math.sqrt((share * (1 - share)) / trials + Z_95 ** 2 / (4 * trials ** 2))) / scale;
  return [Math.max(0, centre - half), Math.min(1, centre + half)];
}
