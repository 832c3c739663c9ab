import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import * as errors from '../functions/protocol/errors.ts';
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
