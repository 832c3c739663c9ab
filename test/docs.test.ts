import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { EmbeddedMetrics } from '../functions/adapters/emf.ts';
import * as errors from '../functions/protocol/errors.ts';
import { REJECTION_CODES } from '../functions/retrain/rejection.ts';
import { USAGE } from '../functions/serve/banner.ts';
import { readLocalSettings } from '../functions/serve/local-env.ts';

const read = (file: string): string => readFileSync(join(import.meta.dirname, '..', file), 'utf8');

/** The cells of every table row of a section, without the code marks. */
function rows(markdown: string): string[][] {
  return markdown
    .split('\n')
    .filter((line) => /^\| *`?[A-Z0-9]/.test(line))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll('`', '')),
    );
}

test('docs/configuration.md lists every setting with its default and its range', () => {
  const table = rows(read('docs/configuration.md'));
  const defaults = Object.values(readLocalSettings({})).map((value) => String(value ?? 'none'));
  expect(table.map((cells) => cells[3])).toEqual(defaults);
  for (const [name = '', , allowed = ''] of table) {
    expect(USAGE).toContain(`  ${name} `);
    const [, min, max] = /(\d+)(?: \(any free one\))? to (\d+)/.exec(allowed) ?? [];
    if (min === undefined || max === undefined) continue;
    for (const outside of [Number(min) - 1, Number(max) + 1]) {
      expect(() => readLocalSettings({ [name]: String(outside) })).toThrow(`${name} is '${outside}'`);
    }
    for (const inside of [min, max]) expect(() => readLocalSettings({ [name]: inside })).not.toThrow();
  }
});

test('docs/api.md lists every error with its status and reason', () => {
  const section = read('docs/api.md').split('## Errors')[1]?.split('\n## ')[0] ?? '';
  const documented = rows(section).map(([status, reason]) => `${status} ${reason}`);
  const concrete = Object.values(errors).filter((type) => type !== errors.ProtocolError) as (new (
    message: string,
  ) => errors.ProtocolError)[];
  const actual = new Set(concrete.map((Type) => new Type('')).map(({ status, reason }) => `${status} ${reason}`));
  expect(documented.sort()).toEqual([...actual].sort());
});

test('docs/deployment.md lists every metric with its unit and its dimensions', () => {
  const lines: string[] = [];
  const telemetry = new EmbeddedMetrics('namespace', (line) => lines.push(line));
  telemetry.initialized(1);
  telemetry.loaded({ model: 'm', version: '1' }, { download: 1, session: 1 });
  telemetry.loadFailed('m');
  telemetry.compiledUnused('m', 'simd');
  telemetry.staleServed('m');
  telemetry.canaryEnded('m');
  const timing = { queue: 0, input: 0, infer: 1, output: 0 };
  telemetry.inference({
    model: 'm',
    version: '1',
    outcome: 'success',
    total: 1,
    timing,
    payloadBytes: 1,
    rows: 1,
    executedRows: 1,
  });
  const units = { Count: 'count', Milliseconds: 'ms', Bytes: 'bytes' };
  type Line = { _aws: { CloudWatchMetrics: [{ Dimensions: string[][]; Metrics: { Name: string; Unit: 'Count' }[] }] } };
  const written = lines.flatMap((line) => {
    const [{ Dimensions, Metrics }] = (JSON.parse(line) as Line)._aws.CloudWatchMetrics;
    const dimensions = Dimensions.map((set) => (set.length === 0 ? 'none' : set.join(', '))).join('; ');
    return Metrics.map(({ Name, Unit }) => `${Name}, ${units[Unit]}, by ${dimensions}`);
  });
  const section = read('docs/deployment.md').split('## Metrics')[1]?.split('\n## ')[0] ?? '';
  const documented = rows(section).flatMap(([names = '', unit = '', dimensions]) => {
    const each = unit.split(', ');
    return names.split(', ').map((name, index) => `${name}, ${each[index] ?? each[0]}, by ${dimensions}`);
  });
  expect(documented.sort()).toEqual(written.sort());
});

test('docs/runbook.md has a section for each reason that an upload is not trained on', () => {
  const section = read('docs/runbook.md').split('## Uploads that are not trained on')[1]?.split(/\n## /)[0] ?? '';
  const titles = [...section.matchAll(/^### (.*)$/gm)].map(([, title]) => title);
  expect(titles).toEqual(expect.arrayContaining([...REJECTION_CODES, 'same-content', 'training-failed', 'stopped']));
  for (const body of section.split(/^### .*$/m).slice(1)) expect(body.trim().length).toBeGreaterThan(40);
});

test('docs/retraining.md lists every command of npm run retrain', () => {
  const command = [join(import.meta.dirname, '../functions/cli/retrain.ts'), '--help'];
  const help = execFileSync(process.execPath, command, { encoding: 'utf8' });
  const commands = [...(help.split('Commands:')[1] ?? '').matchAll(/^ {2}(\w+) /gm)].map(([, name]) => name);
  expect(commands).toContain('watch');
  const section = read('docs/retraining.md').split('## Commands')[1]?.split('\n## ')[0] ?? '';
  const documented = [...section.matchAll(/^\| `(\w+)[ `]/gm)].map(([, name]) => name);
  expect([...new Set(documented)]).toEqual(commands);
});
