import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { downloadFolder, type GetRange } from '../../functions/adapters/download.ts';

const folder = mkdtempSync(join(tmpdir(), 'download-'));
afterAll(() => rmSync(folder, { recursive: true }));

const MB = 1024 ** 2;
const content = Buffer.alloc(19 * MB + 5).map((_, i) => (i * 7919) >> 3);
const sha256 = createHash('sha256').update(content).digest('hex');
let nextName = 0;

/** @returns the folder that it was to make */
async function download(get: GetRange, expected = sha256): Promise<string> {
  const target = join(folder, `${nextName++}`);
  await downloadFolder(target, [{ path: 'model', etag: 'e', size: content.length, sha256: expected }], get);
  return target;
}

/** In chunks as sockets give them. */
function* chunks(start: number, end: number): Iterable<Uint8Array> {
  for (let at = start; at < end; at += 60_000) yield content.subarray(at, Math.min(end, at + 60_000));
}

test('ranges that come in any order are written where they belong, and hashed as one file', async () => {
  const target = await download(async (_, start, end) => {
    await sleep((content.length - start) / MB);
    return Readable.from(chunks(start, end));
  });
  expect(readFileSync(join(target, 'model')).equals(content)).toBe(true);
});

test.each([0, content.length - 1])('one wrong byte, at %i, and nothing is left', async (wrong) => {
  const before = readdirSync(folder);
  const get: GetRange = async (_, start, end) => {
    const bytes = Buffer.from(content.subarray(start, end));
    if (wrong >= start && wrong < end) bytes[wrong - start] = (bytes[wrong - start] ?? 0) ^ 1;
    return Readable.from([bytes]);
  };
  await expect(download(get)).rejects.toThrow(/model has sha256 .*published with/);
  expect(readdirSync(folder)).toEqual(before);
});

test('what a connection brought before it broke off is kept; the rest is asked for', async () => {
  const starts: number[] = [];
  const target = await download(async (_, start, end) => {
    starts.push(start);
    const isFirst = start % (8 * MB) === 0;
    return Readable.from(
      (function* () {
        yield* chunks(start, isFirst ? start + 1_500_000 : end);
        if (isFirst) throw new Error('reset');
      })(),
    );
  });
  expect(readFileSync(join(target, 'model')).equals(content)).toBe(true);
  // Readable.from drops what was not read yet when its source fails; so it goes on no later than where it broke off.
  expect(starts).toHaveLength(6);
});

test('an answer that is longer than its range spoils nothing', async () => {
  const target = await download(async (_, start, end) =>
    Readable.from(chunks(start, Math.min(content.length, end + MB))),
  );
  expect(readFileSync(join(target, 'model')).equals(content)).toBe(true);
});
