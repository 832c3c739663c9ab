import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ensureVenv } from '../../functions/cli/venv.ts';

const REQUIREMENTS = [
  'functions/train/requirements-torch.txt',
  'functions/train/requirements.txt',
  'test/requirements.txt',
];
const VENV = join(import.meta.dirname, '../../functions/cli/venv.ts');

let root: string;

beforeEach(() => {
  // A repository that asks for no package: what is tested is how the environment is made, not what is in it.
  root = mkdtempSync(join(tmpdir(), 'venv-'));
  for (const file of REQUIREMENTS) write(file, '# nothing\n');
  vi.spyOn(console, 'error').mockImplementation(() => {});
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true, force: true });
});

function write(file: string, content: string): string {
  const path = join(root, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

/** Puts a program of that name, and no other, in PATH. */
function onlyProgram(name: string, script: string): void {
  chmodSync(write(`bin/${name}`, `#!/bin/sh\n${script}\n`), 0o755);
  vi.stubEnv('PATH', join(root, 'bin'));
}

const asked = (): number => vi.mocked(console.error).mock.calls.length;

test('no python3', async () => {
  onlyProgram('python2', 'echo 2.7');
  await expect(ensureVenv(root)).rejects.toThrow(
    /^python3 was not found or does not start: install Python 3\.11 or newer$/,
  );
});

test('a python3 that is too old', async () => {
  onlyProgram('python3', 'echo 3.10');
  await expect(ensureVenv(root)).rejects.toThrow(
    /^python3 is Python 3\.10: install Python 3\.11 or newer, first in PATH$/,
  );
});

test('a python3 without venv', async () => {
  onlyProgram('python3', 'if [ "$1" = -m ]; then echo "No module named venv"; exit 1; fi; echo 3.12');
  await expect(ensureVenv(root)).rejects.toThrow(
    /^python3 can't make a virtual environment \(No module named venv\): install its venv module .*python3-venv\)$/,
  );
});

test('it is made once, and anew when a requirement file changes', async () => {
  const python = await ensureVenv(root);
  expect(python.startsWith(join(root, '.venv'))).toBe(true);
  expect(asked()).toBe(1 + REQUIREMENTS.length);
  await ensureVenv(root);
  expect(asked()).toBe(1 + REQUIREMENTS.length);

  write('test/requirements.txt', 'pip>=1  # is there already\n');
  await ensureVenv(root);
  expect(asked()).toBe(2 * (1 + REQUIREMENTS.length));
});

test('what pip can not install', async () => {
  write('functions/train/requirements.txt', './no-such-folder\n');
  await expect(ensureVenv(root)).rejects.toThrow(
    /^pip could not install functions\/train\/requirements\.txt: Invalid requirement: '\.\/no-such-folder'/,
  );
  write('functions/train/requirements.txt', '# nothing\n');
  await ensureVenv(root);
});

test('of several processes at once one makes it', async () => {
  const script = `import { ensureVenv } from ${JSON.stringify(VENV)}; await ensureVenv(${JSON.stringify(root)});`;
  const run = () => promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  const lines = (await Promise.all([run(), run(), run()])).map(({ stderr }) => stderr);
  expect(lines.filter((text) => text.includes('making the Python environment'))).toHaveLength(1);
  expect(lines.filter((text) => text.includes('waiting for another process'))).toHaveLength(2);
});
