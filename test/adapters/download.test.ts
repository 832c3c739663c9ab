import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { downloadFolder, type GetRange } from '../../functions/adapters/download.ts';

const folder = mkdtempSync(join(tmpdir(), 'download-'));
afterAll(() => rmSync(folder, { recursive: true }));

const MB = 1024 ** 2;
const content = Buffer.alloc(19 * MB + 5).map((_, i) => (i * 7919) >> 3);
const sha256 = createHash('sha256').update(content).digest('hex');
/** More than eight ranges. */
const large = { path: 'large', etag: 'e', size: 96 * MB, sha256 };
const megabyteAt = (at: number): Uint8Array => new Uint8Array(MB).fill(at / MB);
let nextName = 0;

/** @returns the folder that it was to make */
async function download(get: GetRange, expected = sha256): Promise<string> {
  const target = join(folder, `${nextName++}`);
  await downloadFolder(target, [{ path: 'model', etag: 'e', size: content.length, sha256: expected }], get);
  return target;
}

/** In chunks as sockets give them. */
async function give(start: number, end: number, write: (bytes: Uint8Array) => Promise<void>): Promise<void> {
  for (let at = start; at < end; at += 60_000) await write(content.subarray(at, Math.min(end, at + 60_000)));
}

test('ranges that come in any order are written where they belong, and hashed as one file', async () => {
  const target = await download(async (_, { start, end }, write) => {
    await sleep((content.length - start) / MB);
    await give(start, end, write);
  });
  expect(readFileSync(join(target, 'model')).equals(content)).toBe(true);
});

test.each([0, content.length - 1])('one wrong byte, at %i, and nothing is left', async (wrong) => {
  const before = readdirSync(folder);
  const get: GetRange = async (_, { start, end }, write) => {
    const bytes = Buffer.from(content.subarray(start, end));
    if (wrong >= start && wrong < end) bytes[wrong - start] = (bytes[wrong - start] ?? 0) ^ 1;
    await write(bytes);
  };
  await expect(download(get)).rejects.toThrow(/model has sha256 .*published with/);
  expect(readdirSync(folder)).toEqual(before);
});

test('what a connection brought before it broke off is kept; the rest is asked for', async () => {
  const starts: number[] = [];
  const target = await download(async (_, { start, end }, write) => {
    starts.push(start);
    await give(start, start % (8 * MB) === 0 ? start + 1_500_000 : end, write);
  });
  expect(readFileSync(join(target, 'model')).equals(content)).toBe(true);
  expect(starts.toSorted((a, b) => a - b)).toEqual([0, 8, 16].flatMap((mb) => [mb * MB, mb * MB + 1_500_000]));
});

test('one connection that fails ends all of it: the others ask for nothing more, and nothing is left', async () => {
  const before = readdirSync(folder);
  let asked = 0;
  const get: GetRange = async (_, { start, end }, write) => {
    asked++;
    if (start === 0) throw new Error('gone');
    await sleep(20);
    for (let at = start; at < end; at += MB) await write(megabyteAt(at));
  };
  await expect(downloadFolder(join(folder, 'failing'), [large], get)).rejects.toThrow('gone');
  expect(asked).toBe(8);
  expect(readdirSync(folder)).toEqual(before);
});

test.each(['', 'not '])('a large file, whose hash a thread of its own computes, is %sas expected', async (not) => {
  const hash = createHash('sha256');
  for (let at = 0; at < large.size; at += MB) hash.update(megabyteAt(at));
  const expected = not === '' ? hash.digest('hex') : sha256;
  const get: GetRange = async (_, { start, end }, write) => {
    for (let at = start; at < end; at += MB) await write(megabyteAt(at));
  };
  const done = downloadFolder(join(folder, `large${not}`), [{ ...large, sha256: expected }], get);
  if (not === '') await done;
  else await expect(done).rejects.toThrow(/large has sha256 .*published with/);
});

test('an answer that is longer than its range spoils nothing', async () => {
  const target = await download((_, { start, end }, write) => give(start, Math.min(content.length, end + MB), write));
  expect(readFileSync(join(target, 'model')).equals(content)).toBe(true);
});
