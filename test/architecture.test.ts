import { globSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseAst } from 'vitest/node';

const ROOT = join(import.meta.dirname, '..');

/** Which room may import which; a room may always import itself. docs/design.md has the reasons. */
const ARROWS: { [room: string]: readonly string[] } = {
  'functions/protocol': [],
  'functions/inference': ['functions/protocol'],
  'functions/adapters': [
    'functions/inference/ports.ts',
    'functions/retrain/datasets.ts',
    'functions/retrain/ports.ts',
    'functions/protocol',
  ],
  'functions/http': ['functions/inference', 'functions/protocol'],
  // What a browser runs, too: nothing in it knows Node.
  'functions/playground': [
    'functions/protocol',
    'functions/inference/image-tensor.ts',
    'functions/inference/resample.ts',
  ],
  'functions/serve': [
    'functions/http',
    'functions/adapters',
    'functions/inference',
    'functions/protocol',
    'package.json',
  ],
  'functions/retrain': ['functions/adapters', 'functions/inference', 'functions/protocol'],
  'functions/cli': [
    'functions/retrain',
    'functions/http',
    'functions/adapters',
    'functions/inference',
    'functions/protocol',
  ],
  infra: [
    'functions/adapters/file-check.ts',
    'functions/adapters/lambda-prices.ts',
    'functions/inference/ports.ts',
    'functions/inference/release.ts',
    'functions/serve/lambda-env.ts',
    'functions/retrain/env.ts',
    'functions/retrain/limits.ts',
    'functions/retrain/gates.ts',
    'functions/protocol/names.ts',
  ],
};

type Import = { readonly file: string; readonly room: string; readonly target: string };

const imports: Import[] = globSync('{functions,infra}/**/*.ts', { cwd: ROOT }).flatMap((file) => {
  const room = Object.keys(ARROWS).find((name) => file.startsWith(`${name}/`)) ?? '';
  return specifiersOf(join(ROOT, file)).map((specifier) => ({
    file,
    room,
    target: specifier.startsWith('.') ? relative(ROOT, resolve(ROOT, dirname(file), specifier)) : specifier,
  }));
});

type AstNode = { type: string; source?: { value?: unknown } | null; [key: string]: unknown };

/** Every module that a file imports or re-exports, types included, statically or not. */
function specifiersOf(path: string): string[] {
  const found: string[] = [];
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(visit);
    else if (value !== null && typeof value === 'object') {
      const node = value as AstNode;
      if (/^(Import|Export)/.test(node.type ?? '') && typeof node.source?.value === 'string')
        found.push(node.source.value);
      Object.values(node).forEach(visit);
    }
  };
  visit(parseAst(readFileSync(path, 'utf8'), { lang: 'ts' }));
  return found;
}

const isLocal = ({ target }: Import): boolean => /^(functions|infra|test|package\.json)/.test(target);
const isBuiltin = (target: string): boolean => target.startsWith('node:') || builtinModules.includes(target);

test('the imports are found', () => {
  expect(imports.length).toBeGreaterThan(50);
  expect(imports).toContainEqual(
    expect.objectContaining({ file: 'functions/adapters/onnxruntime.ts', target: 'onnxruntime-node' }),
  );
});

test('every file is in a room', () => {
  expect(imports.filter(({ room }) => room === '').map(({ file }) => file)).toEqual([]);
});

test('imports follow the arrows', () => {
  const wrong = imports.filter((entry) => {
    const allowed = [entry.room, ...(ARROWS[entry.room] ?? [])];
    return (
      isLocal(entry) && !allowed.some((target) => entry.target === target || entry.target.startsWith(`${target}/`))
    );
  });
  expect(wrong.map(({ file, target }) => `${file} -> ${target}`)).toEqual([]);
});

/** Files that begin with the same word, like s3-store.ts and s3-seeder.ts, are one door. */
function doorOf(file: string): string {
  return join(dirname(file), /^[a-z0-9]+/.exec(basename(file))?.[0] ?? '');
}

describe('one vendor, one door', () => {
  // The shapes of what Lambda gets from many services.
  const TYPES_ONLY = 'aws-lambda';
  const vendorsOf = new Map<string, Set<string>>();
  for (const entry of imports) {
    if (isLocal(entry) || isBuiltin(entry.target) || entry.room === 'infra' || entry.target === TYPES_ONLY) continue;
    const doors = vendorsOf.get(entry.target) ?? new Set();
    vendorsOf.set(entry.target, doors.add(doorOf(entry.file)));
  }

  test.each(Array.from(vendorsOf, ([vendor, doors]) => ({ vendor, doors: [...doors] })))('$vendor', ({ doors }) => {
    expect(doors).toHaveLength(1);
  });

  test('protocol and inference know no vendor and no Node module', () => {
    const pure = imports.filter(({ room }) => room === 'functions/protocol' || room === 'functions/inference');
    expect(pure.filter((entry) => !isLocal(entry)).map(({ file, target }) => `${file} -> ${target}`)).toEqual([]);
  });
});
