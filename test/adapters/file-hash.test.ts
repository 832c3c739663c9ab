import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { FileHash, fileSha256 } from '../../functions/adapters/file-hash.ts';

const folder = mkdtempSync(join(tmpdir(), 'file-hash-'));
afterAll(() => rmSync(folder, { recursive: true }));

const path = join(folder, 'file');
const MB = 1024 ** 2;

test.each([0, 1, MB / 2, MB / 2 + 1, 3 * MB + 7])('a file of %i bytes', async (size) => {
  const content = Buffer.alloc(size).map((_, i) => (i * 7919) >> 3);
  writeFileSync(path, content);
  expect(await fileSha256(path)).toBe(createHash('sha256').update(content).digest('hex'));
});

test('part by part, while the file is still written', async () => {
  const content = Buffer.alloc(2 * MB).map((_, i) => (i * 104_729) >> 5);
  writeFileSync(path, content.subarray(0, MB));
  await using file = await open(path, 'r+');
  const hash = new FileHash(file);
  await hash.add({ start: 0, end: MB });
  await file.write(content.subarray(MB), 0, MB, MB);
  await hash.add({ start: MB, end: 2 * MB });
  expect(hash.digest()).toBe(createHash('sha256').update(content).digest('hex'));
});

test('a file that has become shorter is no part of a hash', async () => {
  writeFileSync(path, 'short');
  await using file = await open(path);
  await expect(new FileHash(file).add({ start: 0, end: 6 })).rejects.toThrow('the file ended after 5 of 6 bytes');
});
