import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import { encode } from 'fast-png';
import jpeg from 'jpeg-js';
import { afterAll, expect, test } from 'vitest';
import { readImage } from '../../functions/adapters/image-file.ts';
import { imageTensor } from '../../functions/inference/image-tensor.ts';

const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-images-'));
afterAll(() => rmSync(folder, { recursive: true }));

const read = (bytes: Uint8Array) => {
  const path = join(folder, 'picture');
  writeFileSync(path, bytes);
  return readImage(path);
};
const size = { width: 2, height: 1 };

test.each([
  ['grey', encode({ ...size, channels: 1, data: new Uint8Array([0, 200]) }), [0, 0, 0, 200, 200, 200]],
  ['grey and alpha', encode({ ...size, channels: 2, data: new Uint8Array([7, 0, 9, 255]) }), [7, 7, 7, 9, 9, 9]],
  ['RGB', encode({ ...size, channels: 3, data: new Uint8Array([1, 2, 3, 4, 5, 6]) }), [1, 2, 3, 4, 5, 6]],
  ['RGBA', encode({ ...size, channels: 4, data: new Uint8Array([1, 2, 3, 0, 4, 5, 6, 9]) }), [1, 2, 3, 4, 5, 6]],
  ['16 bits', encode({ ...size, channels: 1, depth: 16, data: new Uint16Array([0, 65535]) }), [0, 0, 0, 255, 255, 255]],
])('a PNG in %s', async (_, bytes, rgb) => {
  expect(await read(bytes)).toEqual({ ...size, rgb: new Uint8Array(rgb) });
});

test('a JPEG', async () => {
  const data = new Uint8Array(16 * 16 * 4).fill(180);
  const { width, height, rgb } = await read(jpeg.encode({ width: 16, height: 16, data }, 95).data);
  expect([width, height]).toEqual([16, 16]);
  for (const value of rgb) expect(Math.abs(value - 180)).toBeLessThan(3);
});

test.each([
  ['text', Buffer.from('no picture at all'), 'neither PNG nor JPEG'],
  ['a PNG of a million by a million', bomb(), 'expected at most 50e6'],
  ['half a PNG', encode({ ...size, data: new Uint8Array(8) }).subarray(0, 45), 'it breaks off'],
  ['a PNG whose pixels inflate to more than there are', inflating('IDAT'), 'more than its header says'],
  ['nothing', Buffer.alloc(0), 'neither PNG nor JPEG'],
  ['three bytes', Buffer.from([0x89, 0x50, 0x4e]), 'neither PNG nor JPEG'],
  ['a PNG without chunks', Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), 'it breaks off'],
])('%s is refused', async (_, bytes, sentence) => {
  await expect(read(bytes)).rejects.toThrow(sentence);
});

test('what is beside the pixels is not inflated', async () => {
  expect(await read(inflating('iCCP'))).toEqual(await read(encode({ ...size, data: new Uint8Array(8) })));
});

/** A small file that becomes 100 MB, if somebody lets it. */
function inflating(type: 'IDAT' | 'iCCP'): Uint8Array {
  const png = Buffer.from(encode({ ...size, data: new Uint8Array(8) }));
  const large = deflateSync(Buffer.alloc(100e6));
  const data = type === 'IDAT' ? large : Buffer.concat([Buffer.from('name\0\0'), large]);
  const chunk = Buffer.alloc(12 + data.length);
  chunk.writeUInt32BE(data.length, 0);
  chunk.write(type, 4, 'latin1');
  data.copy(chunk, 8);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 8 + data.length)), 8 + data.length);
  const afterHeader = 8 + 25;
  return Buffer.concat([png.subarray(0, afterHeader), chunk, png.subarray(afterHeader)]);
}

function bomb(): Uint8Array {
  const bytes = Buffer.from(encode({ ...size, data: new Uint8Array(8) }));
  bytes.writeUInt32BE(1e6, 16);
  bytes.writeUInt32BE(1e6, 20);
  return bytes;
}

const spec = (datatype: 'FP32' | 'UINT8' | 'INT64', shape: number[]) => ({
  name: 'image',
  datatype,
  shape,
  modelShape: undefined,
  optional: false,
  labelFile: undefined,
});
const picture = { ...size, rgb: new Uint8Array([255, 0, 51, 0, 102, 204]) };

test.each([
  ['FP32', [-1, 3, 1, 2], [1, 0, 0, 0.4, 0.2, 0.8]],
  ['FP32', [1, -1, 2, 3], [1, 0, 0.2, 0, 0.4, 0.8]],
  ['UINT8', [-1, -1, -1, 3], [255, 0, 51, 0, 102, 204]],
  ['FP32', [-1, 1, 1, 2], [0.4, 0.4]],
] as const)('a picture as %s %j', (datatype, shape, expected) => {
  const { data } = imageTensor(spec(datatype, [...shape]), picture);
  expect(data).toHaveLength(expected.length);
  for (const [i, value] of expected.entries()) expect(data[i]).toBeCloseTo(value, 6);
});

test.each([
  ['FP32', [-1, 10], 'expected FP32 or UINT8 pictures'],
  ['INT64', [-1, 3, 1, 2], 'expected FP32 or UINT8 pictures'],
  ['FP32', [-1, 3, 32, 32], 'a picture has 2 x 1 pixels; expected 32 x 32'],
] as const)('%s %j takes no such picture', (datatype, shape, sentence) => {
  expect(() => imageTensor(spec(datatype, [...shape]), picture)).toThrow(sentence);
});
