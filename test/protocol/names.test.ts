import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isModelName, isVersion, quote } from '../../functions/protocol/names.ts';

test.each(['digits', 'a', '0', 'ResNet-50_v1.5', 'a'.repeat(128)])('%s is a model name', (name) => {
  expect(isModelName(name)).toBe(true);
});

test('names that could leave the repository are none: 2,000 made-up ones', () => {
  const hostile = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      '..',
      '.',
      './a',
      'a/b',
      'a\\b',
      '%2e%2e',
      'a..b',
      '\0',
      'a\0',
      '-a',
      '_a',
      '',
      'a'.repeat(129),
      'C:',
      'é',
    ),
    fc
      .tuple(fc.string(), fc.constantFrom('/', '\\', '..', '\0', '%', ':', ' ', '\n'), fc.string())
      .map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(hostile, (name) => {
      if (isModelName(name)) expect(name).toMatch(/^[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,127}$/);
    }),
    { numRuns: 2_000 },
  );
});

test('versions are positive integers of up to nine digits', () => {
  for (const version of ['1', '10', '999999999']) expect(isVersion(version)).toBe(true);
  for (const version of ['0', '01', '-1', '1.0', '1e3', '1000000000', '', ' 1', '1 ', '١'])
    expect(isVersion(version)).toBe(false);
});

test('quoted text is short and printable', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 500 }), (text) => {
      expect(quote(text)).toMatch(/^'[\x20-\x7e]{0,80}'$/);
    }),
  );
});
