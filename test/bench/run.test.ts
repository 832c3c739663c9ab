import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { draw, renewed } from './results.ts';
import type { Table } from './section.ts';

const ROOT = join(import.meta.dirname, '../..');

function bench(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [join(ROOT, 'test/bench/run.ts'), ...args], { cwd: ROOT, encoding: 'utf8' });
}

test('every section is listed, and has its place in docs/benchmarks.md', () => {
  const { status, stdout } = bench('--list');
  expect(status).toBe(0);
  const names = [...stdout.matchAll(/^ *([a-z-]+) {2,}\S/gm)]
    .map(([, name]) => name)
    .filter((name) => name !== 'section');
  expect(names).toContain('batching');
  const docs = readFileSync(join(ROOT, 'docs/benchmarks.md'), 'utf8');
  for (const name of names) expect(docs).toContain(`<!-- bench:${name} -->`);
});

test.each([
  { args: ['speed'], sentence: "there is no section 'speed'; expected batching, " },
  { args: ['--fast'], sentence: "Unknown option '--fast'" },
])('$args is refused with a sentence', ({ args, sentence }) => {
  const { status, stderr } = bench(...args);
  expect(status).toBe(2);
  expect(stderr).toContain(sentence);
});

test('figures of a quick run do not come into the docs', () => {
  const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-results-'));
  try {
    writeFileSync(join(folder, 'batching.json'), JSON.stringify({ section: 'batching', quick: true }));
    const { status, stderr } = bench('batching', '--docs', '--results', folder);
    expect(status).toBe(1);
    expect(stderr).toContain('is of a quick run');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

const resultWith = (tables: readonly Table[]) => ({
  section: 'one',
  what: 'something',
  date: '2026-01-02T03:04:05Z',
  command: 'npm run bench -- one',
  quick: false,
  machine: { processor: 'P', cores: 2, memoryGb: 8, loadBefore: 0.1 },
  versions: { node: '24' },
  tables,
});

test('a result takes the place of the one before, and of nothing else', () => {
  const page = 'a\n\n<!-- bench:one -->\nold\n<!-- /bench -->\n\nb\n\n<!-- bench:two -->\nkept\n<!-- /bench -->\n';
  const result = resultWith([{ title: 'Speed', rows: [{ callers: 1, ms: 2.5 }] }]);
  const once = renewed(page, result);
  expect(once).toContain('| callers | ms |\n|---|---|\n| 1 | 2.5 |');
  expect(once).toMatch(/^a\n.*2026-01-02.*\n\nb\n.*\nkept\n/s);
  expect(once).not.toContain('old');
  expect(renewed(once, result)).toBe(once);
  expect(() => renewed(page, { ...result, section: 'three' })).toThrow("no place for 'three'");
});

test('a plot is drawn beside the page, which shows it', () => {
  const docs = mkdtempSync(join(tmpdir(), 'serverless-onnx-docs-'));
  try {
    const [x, y] = [{ label: 'callers', scale: 'log' } as const, { label: 'ms', scale: 'linear' } as const];
    const panels = [{ title: 'Latency', x, y, series: [{ name: 'digits', points: [[1, 2.5]] as const }] }];
    const rows = [{ callers: 1, ms: 2.5 }];
    const result = resultWith([
      { title: 'Speed', rows, plot: { name: 'callers', panels } },
      { title: 'Size', rows },
    ]);
    draw(docs, result);
    expect(readdirSync(docs, { recursive: true }).sort()).toEqual(['benchmarks', 'benchmarks/one-callers.svg']);
    expect(readFileSync(join(docs, 'benchmarks/one-callers.svg'), 'utf8')).toContain('>Speed</text>');
    const written = renewed('<!-- bench:one -->\n<!-- /bench -->', result);
    expect(written).toContain('Speed:\n\n![Speed](benchmarks/one-callers.svg)\n\n| callers | ms |');
    expect(written).toContain('Size:\n\n| callers | ms |');
  } finally {
    rmSync(docs, { recursive: true });
  }
});
