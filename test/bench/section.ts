import type { Panel } from '../../functions/cli/plot.ts';

/** A cell is a number, with as many digits as it deserves, or a word. */
export type Row = { readonly [column: string]: string | number };

export type Table = {
  readonly title: string;
  readonly rows: readonly Row[];
  /** What the rows are a few points of; `--docs` draws it into docs/benchmarks/<section>-<name>.svg. */
  readonly plot?: { readonly name: string; readonly panels: readonly Panel[] };
};

export type Context = {
  /** Rounds as few and as short as show that the section works; such figures are of no worth. */
  readonly quick: boolean;
  /** A folder for what the section makes; it is removed afterwards. */
  readonly scratch: string;
  /** Says on a terminal what is being measured; each call replaces the text before. */
  readonly progress: (text: string) => void;
};

/** A part of the bench: a file in sections/ that has one as its default export. */
export type Section = {
  /** Lower-case words joined by '-': also the name of the file, of its results and of its mark in docs/benchmarks.md. */
  readonly name: string;
  /** One line for --list and above the tables. */
  readonly what: string;
  /**
   * First checks that what is measured answers correctly, then measures in turns (A B A B).
   * @throws when an answer is wrong: then there is nothing to measure
   */
  readonly run: (context: Context) => Promise<readonly Table[]>;
};
