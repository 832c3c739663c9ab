/** Numbers from 0 to below 1 that the same seed gives again (mulberry32): explanations can be repeated. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Brings the first `count` places of an array into an order by chance, from all of it. */
export function shuffle<T>(items: T[], random: () => number, count = items.length): T[] {
  for (let i = 0; i < Math.min(count, items.length - 1); i++) {
    const other = i + Math.floor(random() * (items.length - i));
    [items[i], items[other]] = [items[other] as T, items[i] as T];
  }
  return items;
}
