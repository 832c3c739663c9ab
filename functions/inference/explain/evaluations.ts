import { DATATYPES, type NumericArray } from '../../protocol/datatypes.ts';
import { DeadlineExceeded, InvalidRequest } from '../../protocol/errors.ts';
import { quote } from '../../protocol/names.ts';
import { elementCount, type Tensor } from '../../protocol/tensor.ts';
import { elementRanges, type Window } from './grid.ts';

/** Computes the output that is explained, for inputs in the client's shapes. */
export type RunModel = (inputs: readonly Tensor[]) => Promise<Tensor>;

export type EvaluationSettings = {
  readonly run: RunModel;
  /** The request's inputs, of one item. */
  readonly item: readonly Tensor[];
  readonly background: number;
  /** 0: the model takes one item at a time, without a batch dimension. */
  readonly maxBatchSize: number;
  /** Milliseconds on the clock of `performance.now()`. */
  readonly deadline: number;
};

/** Rows of one run: others wait for it, even where a model takes hundreds. */
const MAX_ROWS = 32;
const MAX_RUN_BYTES = 16 * 1024 ** 2;
const FIRST_ROWS = 4;
/** Runs differ in how long they take. */
const SLACK = 1.5;
/** Relative above 1: the same row may be computed by other instructions in a batch. */
const SAME = 1e-3;

/**
 * The values of one element of an output, for the item with parts of it replaced by the background. Never more than one
 * run is under way, and one run's inputs are in memory: an explanation takes its turns like one more client.
 */
export class Evaluations {
  readonly #settings: EvaluationSettings;
  #largest: number;
  readonly #backgrounds: ReadonlyMap<Tensor, number | bigint>;
  #output = '';
  #target = 0;
  #elements = 1;
  #value = 0;
  /** Of the last runs. */
  #msPerRow = 0;
  #rows = FIRST_ROWS;
  #areRowsIndependent = false;
  /** Items that were computed. */
  count = 0;
  /** Whether the deadline came before the end. */
  isCut = false;

  /** @throws InvalidRequest where an input can't hold the background */
  constructor(settings: EvaluationSettings) {
    const { item, maxBatchSize, background } = settings;
    this.#settings = settings;
    const numeric = item.filter(({ datatype }) => DATATYPES[datatype].kind !== 'bytes');
    this.#backgrounds = new Map(numeric.map((tensor) => [tensor, inDatatype(tensor, background)]));
    const bytes = numeric.reduce((sum, { data }) => sum + (data as NumericArray).byteLength, 0);
    this.#largest = Math.max(1, Math.min(maxBatchSize, MAX_ROWS, Math.floor(MAX_RUN_BYTES / Math.max(1, bytes))));
  }

  /** The output for the item as it is, of which the others evaluate one element. */
  async whole(target: (output: Tensor) => number): Promise<number> {
    const started = performance.now();
    const output = await this.#settings.run(this.#settings.item);
    this.#msPerRow = performance.now() - started;
    this.count++;
    this.#output = output.name;
    this.#elements = elementCount(output.shape);
    this.#target = target(output);
    this.#value = this.#valueOf(output, 0);
    return this.#value;
  }

  /** The value without any of these windows. @throws DeadlineExceeded */
  async without(windows: readonly Window[]): Promise<number> {
    if (this.#rowsInTime() === 0) {
      throw new DeadlineExceeded(
        'the time was up after the first of the runs that an explanation takes; expected more',
      );
    }
    const output = await this.#settings.run(this.#perturbed([windows]));
    this.count++;
    return this.#valueOf(output, 0);
  }

  /**
   * The value of each variant, until the deadline; `isCut` says whether that came first.
   * @param hidden what is replaced in a variant
   * @param take is called for each, in their order
   */
  async each(
    variants: number,
    hidden: (variant: number) => readonly Window[],
    take: (variant: number, value: number) => void,
  ): Promise<void> {
    let next = 0;
    while (next < variants) {
      const rows = this.#rowsInTime();
      if (rows === 0) {
        this.isCut = true;
        return;
      }
      // Few different shapes: the engine finds out for each of them which lane is the right one.
      const taken = 2 ** Math.floor(Math.log2(Math.min(rows, variants - next)));
      const values = await this.#runRows(Array.from({ length: taken }, (_, i) => hidden(next + i)));
      if (values === undefined) continue;
      for (const [i, value] of values.entries()) take(next + i, value);
      next += values.length;
      // Where the model runs in this very process, others get their turn now.
      await new Promise(setImmediate);
    }
  }

  /** As many as fit into a run, and into the time that is left; 0: none. */
  #rowsInTime(): number {
    const left = this.#settings.deadline - performance.now();
    const inTime = Math.floor(left / (this.#msPerRow * SLACK));
    return Math.max(0, Math.min(this.#rows, this.#largest, inTime));
  }

  /** Undefined: to be tried again, with less at once or without time left. */
  async #runRows(hidden: readonly (readonly Window[])[]): Promise<number[] | undefined> {
    // An open first dimension may be something else than a batch, and its rows would change each other's values: the
    // first run of several has the item itself as its last row, whose value is known.
    const isTrial = hidden.length > 1 && !this.#areRowsIndependent;
    const variants = isTrial ? [...hidden.slice(0, -1), []] : hidden;
    const started = performance.now();
    try {
      const output = await this.#settings.run(this.#perturbed(variants));
      this.count += variants.length;
      this.#msPerRow = (performance.now() - started) / variants.length;
      this.#rows = Math.min(this.#rows * 2, this.#largest);
      const values = variants.map((_, row) => this.#valueOf(output, row));
      if (!isTrial) return values;
      const own = values.pop() as number;
      this.#areRowsIndependent = Math.abs(own - this.#value) <= SAME * Math.max(1, Math.abs(this.#value));
      if (this.#areRowsIndependent) return values;
    } catch (error) {
      if (!(error instanceof DeadlineExceeded)) throw error;
      this.isCut = true;
      this.#rows = 0;
      return undefined;
    }
    this.#largest = 1;
    return undefined;
  }

  /** The inputs of a run: a row for each variant. */
  #perturbed(variants: readonly (readonly Window[])[]): readonly Tensor[] {
    return this.#settings.item.map((tensor) => {
      const { datatype, shape, data } = tensor;
      const rows = this.#settings.maxBatchSize > 0 ? [variants.length, ...shape.slice(1)] : shape;
      const background = this.#backgrounds.get(tensor);
      const TypedArray = DATATYPES[datatype].array;
      if (background === undefined || TypedArray === undefined) {
        return { ...tensor, shape: rows, data: variants.flatMap(() => data as readonly string[]) };
      }
      const { length } = data;
      const all = new TypedArray(length * variants.length) as Float64Array<ArrayBuffer>;
      for (const [row, windows] of variants.entries()) {
        all.set(data as Float64Array, row * length);
        for (const window of windows) {
          if (window.grid.tensor !== tensor) continue;
          for (const [start, end] of elementRanges(window)) {
            all.fill(background as number, row * length + start, row * length + end);
          }
        }
      }
      return { ...tensor, shape: rows, data: all };
    });
  }

  #valueOf({ data }: Tensor, row: number): number {
    const value = Number(data[row * this.#elements + this.#target]);
    if (Number.isFinite(value)) return value;
    throw new InvalidRequest(
      `output ${quote(this.#output)} at index ${this.#target} is ${value} for this input, or for parts of it with the ` +
        'background in place of the rest; expected finite numbers, perhaps with another background',
    );
  }
}

/** The background as an element of the tensor. */
function inDatatype({ name, datatype }: Tensor, background: number): number | bigint {
  const { kind, min, max, array: TypedArray } = DATATYPES[datatype];
  const refuse = (expected: string): never => {
    throw new InvalidRequest(
      `parameter 'background' is ${background}, which ${datatype} of input ${quote(name)} can't hold; expected ${expected}`,
    );
  };
  if (kind === 'float') {
    const [held] = new (TypedArray as Float64ArrayConstructor)([background]);
    return Number.isFinite(held) ? background : refuse('a smaller number');
  }
  const [low, high] = kind === 'bool' ? [0, 1] : kind === 'int' ? [min, max] : RANGES[datatype as 'INT64' | 'UINT64'];
  if (!Number.isInteger(background) || background < low || background > high) {
    refuse(`an integer from ${low} to ${high}`);
  }
  return kind === 'bigint' ? BigInt(background) : background;
}

/** What a number holds exactly is enough for a background. */
const RANGES = {
  INT64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  UINT64: [0, Number.MAX_SAFE_INTEGER],
} as const;
