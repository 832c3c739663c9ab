/** Mulberry32: the same numbers from 0 to 1 for the same seed. */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Numbers as JSON text that are hard to read right: long, tiny, or in the middle between two floats or doubles. */
export function hardNumber(random: () => number): string {
  const below = (n: number): number => Math.floor(random() * n);
  const digits = (n: number): string => Array.from({ length: n }, () => below(10)).join('');
  const sign = below(2) === 0 ? '' : '-';
  switch (below(14)) {
    case 0:
      return sign + String(random());
    case 1:
      return sign + String(Math.fround(random() * 10 ** (below(60) - 30)));
    case 2:
      return `${sign}0.${digits(1 + below(25))}`;
    case 3:
      return `${sign}${1 + below(9)}${digits(below(25))}`;
    case 4:
      return `${sign}${below(300)}.${digits(1 + below(22))}`;
    case 5:
      return `${sign}${below(10)}.${digits(1 + below(19))}e${below(80) - 60}`;
    case 6: {
      // Between two floats, or a digit beside that.
      const float = new Float32Array(1);
      new Uint32Array(float.buffer)[0] = (64 + below(128)) * 2 ** 23 + below(2 ** 23);
      const middle = (float[0] as number) * (1 + 2 ** -24);
      return sign + String(middle * (1 + (below(3) - 1) * 2 ** -52));
    }
    case 7: {
      // Between two doubles, exactly: an odd integer of 54 bits over a power of two, or a digit beside that.
      const power = below(12);
      const odd = 2n ** 53n + BigInt(below(2 ** 30)) * 2n + 1n;
      const text = String(odd * 5n ** BigInt(power) + BigInt(below(3) - 1));
      return power === 0 ? sign + text : `${sign}${text.slice(0, -power)}.${text.slice(-power)}`;
    }
    case 8:
      return sign + String(below(2 ** 31) * 10 ** -below(330));
    case 9:
      // Of all sizes, and of none.
      return `${sign}${below(10)}.${digits(1 + below(19))}${'eE'[below(2)]}${['', '+', '-'][below(3)]}${below(400)}`;
    case 10: {
      // Between two doubles, exactly, with an exponent: an odd integer of 54 bits over a power of five, or a digit beside that.
      const power = 1 + below(23);
      const five = 5n ** BigInt(power);
      const bits = 54n - BigInt(five.toString(2).length);
      const odd = bits < 1n ? 1n : ((2n ** 30n + BigInt(below(2 ** 30))) >> (30n - (bits < 30n ? bits : 30n))) | 1n;
      return `${sign}${odd + BigInt(below(3) - 1)}e${power}`;
    }
    case 11:
      // Below the normal doubles, and around the least of them.
      return sign + String(Math.fround(random()) * 2 ** -(1022 + below(53)));
    case 12: {
      // Between two floats, in more digits than a double tells apart, and a digit there.
      const float = new Float32Array(1);
      new Uint32Array(float.buffer)[0] = (90 + below(60)) * 2 ** 23 + below(2 ** 23);
      const middle = ((float[0] as number) * (1 + 2 ** -24)).toPrecision(20 + below(30));
      return sign + (below(2) === 0 || middle.includes('e') ? middle : `${middle}${digits(1 + below(3))}`);
    }
    default:
      return `${sign}${below(1000)}`;
  }
}
