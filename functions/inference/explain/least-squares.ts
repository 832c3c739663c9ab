/**
 * Weighted least squares under the constraint that the coefficients have a given sum:
 *
 *     minimise Σ weight · (value − row · φ)²   subject to   Σ φ = total
 *
 * Only the normal equations are kept, so that memory does not grow with the rows. Our own Cholesky decomposition: it takes
 * twenty lines, and the libraries for it bring whole packages of linear algebra.
 */
export class ConstrainedLeastSquares {
  readonly #size: number;
  /** The lower triangle of Σ weight · row · rowᵀ, row-major. */
  readonly #matrix: Float64Array;
  readonly #vector: Float64Array;

  constructor(size: number) {
    this.#size = size;
    this.#matrix = new Float64Array(size * size);
    this.#vector = new Float64Array(size);
  }

  /** @param ones the positions of a row of zeros and ones at which it is 1, ascending */
  add(ones: Uint16Array, value: number, weight: number): void {
    for (const [at, i] of ones.entries()) {
      this.#vector[i] = (this.#vector[i] as number) + weight * value;
      for (let k = 0; k <= at; k++) {
        const cell = i * this.#size + (ones[k] as number);
        this.#matrix[cell] = (this.#matrix[cell] as number) + weight;
      }
    }
  }

  /**
   * The coefficients. Where the rows do not determine them, those that are closest to each other.
   * @param total what they sum up to
   */
  solve(total: number): Float64Array {
    const lower = this.#decomposed();
    const free = substituted(lower, this.#vector, this.#size);
    const ofOnes = substituted(lower, new Float64Array(this.#size).fill(1), this.#size);
    const shift = (sum(free) - total) / sum(ofOnes);
    return free.map((value, i) => value - shift * (ofOnes[i] as number));
  }

  /** Too few rows make a matrix that has no decomposition; with a small ridge it has one. */
  #decomposed(): Float64Array {
    let diagonal = 0;
    for (let i = 0; i < this.#size; i++) diagonal += this.#matrix[i * (this.#size + 1)] as number;
    const scale = diagonal / this.#size || 1;
    for (let ridge = 0; ; ridge = ridge === 0 ? scale * 1e-9 : ridge * 10) {
      const lower = cholesky(this.#matrix, this.#size, ridge, scale * 1e-12);
      if (lower !== undefined) return lower;
    }
  }
}

/** L of L · Lᵀ = matrix + ridge · I; undefined where a pivot is not above `tiny`. */
function cholesky(matrix: Float64Array, size: number, ridge: number, tiny: number): Float64Array | undefined {
  const lower = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let rest = (matrix[i * size + j] as number) + (i === j ? ridge : 0);
      for (let k = 0; k < j; k++) rest -= (lower[i * size + k] as number) * (lower[j * size + k] as number);
      if (i === j && !(rest > tiny)) return undefined;
      lower[i * size + j] = i === j ? Math.sqrt(rest) : rest / (lower[j * size + j] as number);
    }
  }
  return lower;
}

/** x of L · Lᵀ · x = vector. */
function substituted(lower: Float64Array, vector: Float64Array, size: number): Float64Array {
  const x = vector.slice();
  for (let i = 0; i < size; i++) {
    for (let k = 0; k < i; k++) x[i] = (x[i] as number) - (lower[i * size + k] as number) * (x[k] as number);
    x[i] = (x[i] as number) / (lower[i * size + i] as number);
  }
  for (let i = size - 1; i >= 0; i--) {
    for (let k = i + 1; k < size; k++) x[i] = (x[i] as number) - (lower[k * size + i] as number) * (x[k] as number);
    x[i] = (x[i] as number) / (lower[i * size + i] as number);
  }
  return x;
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}
