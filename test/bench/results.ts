// What a section has found: as JSON for machines, and as tables between two marks of docs/benchmarks.md for people.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { Failure } from '../../functions/cli/failure.ts';
import { plotOf } from '../../functions/cli/plot.ts';
import type { Row, Section, Table } from './section.ts';

export type Result = {
  readonly section: string;
  readonly what: string;
  readonly date: string;
  readonly command: string;
  readonly quick: boolean;
  readonly machine: {
    readonly processor: string;
    readonly cores: number;
    readonly memoryGb: number;
    /** Processes that wanted a core in the minute before: what other work there was. */
    readonly loadBefore: number;
  };
  readonly versions: { readonly [software: string]: string };
  readonly tables: readonly Table[];
};

const version = (name: string): string => createRequire(import.meta.url)(`${name}/package.json`).version;

/** Runs a section and says what it ran on. */
export async function resultOf(
  { name, what }: Section,
  quick: boolean,
  run: () => Promise<readonly Table[]>,
): Promise<Result> {
  const [loadBefore = 0] = loadavg();
  const tables = await run();
  return {
    section: name,
    what,
    date: new Date().toISOString(),
    command: `npm run bench -- ${name}${quick ? ' --quick' : ''}`,
    quick,
    machine: {
      processor: cpus()[0]?.model ?? process.arch,
      cores: availableParallelism(),
      memoryGb: Math.round(totalmem() / 1e9),
      loadBefore: Number(loadBefore.toFixed(1)),
    },
    versions: { node: process.versions.node, 'onnxruntime-node': version('onnxruntime-node') },
    tables,
  };
}

/** @returns the path of what was written */
export function keep(folder: string, result: Result): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${result.section}.json`);
  writeFileSync(path, `${JSON.stringify(result, null, 2)}\n`);
  return path;
}

/** @throws when the section has not been measured, or only quickly */
export function kept(folder: string, section: string): Result {
  const path = join(folder, `${section}.json`);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    throw new Failure(`there is no ${path}; run "npm run bench -- ${section}" first`);
  }
  const result = JSON.parse(text) as Result;
  if (result.quick) throw new Failure(`${path} is of a quick run, whose figures say nothing; run it without --quick`);
  return result;
}

/** Draws the result's plots into the folder benchmarks/ beside docs/benchmarks.md. */
export function draw(docs: string, { section, tables }: Result): void {
  for (const { title, plot } of tables) {
    if (plot === undefined) continue;
    mkdirSync(join(docs, 'benchmarks'), { recursive: true });
    writeFileSync(join(docs, drawn(section, plot.name)), plotOf(title, plot.panels));
  }
}

function drawn(section: string, name: string): string {
  return `benchmarks/${section}-${name}.svg`;
}

/** The text of docs/benchmarks.md with this result in place of what stood between the section's marks. */
export function renewed(markdown: string, result: Result): string {
  const begin = `<!-- bench:${result.section} -->`;
  const end = '<!-- /bench -->';
  const from = markdown.indexOf(begin);
  const to = markdown.indexOf(end, from);
  if (from < 0 || to < 0)
    throw new Failure(`docs/benchmarks.md has no place for '${result.section}'; expected ${begin}, ${end}`);
  return `${markdown.slice(0, from + begin.length)}\n${written(result)}\n${markdown.slice(to)}`;
}

function written({ section, date, command, machine, versions, tables }: Result): string {
  const software = Object.entries(versions).map(([name, number]) => `${name} ${number}`);
  const heading =
    `${date.slice(0, 10)}, \`${command}\`; ${machine.cores} cores (${machine.processor}), ${machine.memoryGb} GB, ` +
    `load before ${machine.loadBefore}; ${software.join(', ')}.`;
  const parts = tables.flatMap(({ title, rows, plot }) => {
    const picture = plot === undefined ? [] : [`![${title}](${drawn(section, plot.name)})`];
    return [`${title}:`, ...picture, markdownTable(rows)];
  });
  return [heading, ...parts].join('\n\n');
}

function markdownTable(rows: readonly Row[]): string {
  const columns = Object.keys(rows[0] ?? {});
  const line = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;
  return [
    line(columns),
    `|${'---|'.repeat(columns.length)}`,
    ...rows.map((row) => line(columns.map((column) => row[column] ?? ''))),
  ].join('\n');
}
