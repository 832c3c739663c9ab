/**
 * Milliseconds of the fastest call of each, called turn by turn: what others on the machine take is not in it.
 * @param calls of each in a turn
 */
export async function alternate(
  measured: readonly (() => unknown)[],
  rounds: number,
  calls: number,
): Promise<readonly number[]> {
  const least = measured.map(() => Number.POSITIVE_INFINITY);
  for (let round = 0; round < rounds; round++) {
    for (const [i, run] of measured.entries()) {
      for (let call = 0; call < calls; call++) {
        const started = performance.now();
        await run();
        least[i] = Math.min(least[i] ?? 0, performance.now() - started);
      }
    }
  }
  return least;
}
