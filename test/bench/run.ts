// `npm run bench`: what is too long or too noisy for `npm test`. docs/benchmarks.md keeps the results.

import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { exitWith, Misuse } from '../../functions/cli/failure.ts';
import { table } from '../../functions/cli/table.ts';
import { draw, keep, kept, renewed, resultOf } from './results.ts';
import type { Section } from './section.ts';

const ROOT = join(import.meta.dirname, '../..');
const DOCS = join(ROOT, 'docs');

const USAGE = `npm run bench -- [options] [section...]

Measures all sections, or those that are named, one after the other, and prints tables. Each first checks that what it
measures answers correctly. Results are kept in bench-results/<section>.json.

  --list     the sections
  --quick    few and short rounds, to see that a section works; the figures are of no worth
  --docs     measure nothing: write the results that are kept into docs/benchmarks.md, and their plots beside it
  --results  another folder than bench-results
  --help     this text

Exit codes: 0 done; 1 something answered wrongly or could not be measured; 2 wrong arguments.`;

await exitWith('npm run bench', async () => {
  const { values, positionals } = parsed();
  if (values.help) return console.log(USAGE);
  const sections = await sectionsOf();
  const wrong = positionals.find((name) => !sections.some((section) => section.name === name));
  if (wrong !== undefined) {
    throw new Misuse(`there is no section '${wrong}'; expected ${sections.map(({ name }) => name).join(', ')}`);
  }
  const chosen = sections.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  if (values.list) return console.log(table(chosen.map(({ name, what }) => ({ section: name, what }))));
  if (values.docs) return writeDocs(chosen, values.results);
  for (const section of chosen) await measure(section, values.quick, values.results);
});

function parsed() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        list: { type: 'boolean', default: false },
        quick: { type: 'boolean', default: false },
        docs: { type: 'boolean', default: false },
        results: { type: 'string', default: join(ROOT, 'bench-results') },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    throw new Misuse((error as Error).message);
  }
}

async function sectionsOf(): Promise<Section[]> {
  const files = globSync('sections/*.ts', { cwd: import.meta.dirname }).sort();
  return Promise.all(files.map(async (file) => (await import(join(import.meta.dirname, file))).default as Section));
}

async function measure(section: Section, quick: boolean, folder: string): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'serverless-onnx-bench-'));
  const terminal = process.stderr.isTTY;
  const progress = (text: string): void => {
    if (terminal) process.stderr.write(`\r\x1b[K${text === '' ? '' : `${section.name}: ${text}`}`);
  };
  try {
    console.log(`${section.name}: ${section.what}`);
    const result = await resultOf(section, quick, () => section.run({ quick, scratch, progress }));
    progress('');
    for (const { title, rows } of result.tables) {
      const cells = rows.map((row) => Object.fromEntries(Object.entries(row).map(([key, cell]) => [key, `${cell}`])));
      console.log(`\n${title}\n${table(cells)}`);
    }
    console.log(`\n${keep(folder, result)}\n`);
  } finally {
    progress('');
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Sections that were not measured keep what stands there, unless they are named. */
function writeDocs(sections: readonly Section[], folder: string): void {
  const page = join(DOCS, 'benchmarks.md');
  let text = readFileSync(page, 'utf8');
  for (const { name } of sections) {
    const result = kept(folder, name);
    text = renewed(text, result);
    draw(DOCS, result);
  }
  writeFileSync(page, text);
}
