import { describe, expect, test } from 'vitest';
import { heatOf, heatPixels } from '../../functions/playground/heat.ts';
import { centred, layoutOf, likeNist, pixelsOf, type Stroke, scanned } from '../../functions/playground/picture.ts';

describe('which inputs take pictures', () => {
  const layout = (shape: number[], format?: string, datatype: 'FP32' | 'UINT8' | 'INT64' = 'FP32') =>
    layoutOf({ name: 'image', datatype, shape }, format);

  test('those that the configuration declares', () => {
    expect(layout([-1, 3, 32, 48], 'FORMAT_NCHW')).toEqual({ channelsFirst: true, channels: 3, rows: 32, columns: 48 });
    expect(layout([1, 32, 48, 1], 'FORMAT_NHWC', 'UINT8')).toEqual({
      channelsFirst: false,
      channels: 1,
      rows: 32,
      columns: 48,
    });
    expect(layout([-1, 3, -1, -1], 'FORMAT_NCHW')).toMatchObject({ rows: 224, columns: 224 });
  });

  test.each([
    [[-1, 3, 32, 32], undefined],
    [[-1, 3, 32, 32], 'FORMAT_NONE'],
    [[-1, 4, 32, 32], 'FORMAT_NCHW'],
    [[8, 3, 32, 32], 'FORMAT_NCHW'],
    [[3, 32, 32], 'FORMAT_NCHW'],
  ])('not %j with %s', (shape, format) => {
    expect(layout(shape, format)).toBeUndefined();
  });

  test('not integers of 64 bits', () => {
    expect(layout([-1, 3, 32, 32], 'FORMAT_NCHW', 'INT64')).toBeUndefined();
  });
});

describe('a drawing', () => {
  const box = (strokes: readonly Stroke[]) => {
    const [xs, ys] = [strokes.flat().map(([x]) => x), strokes.flat().map(([, y]) => y)];
    return [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  };

  test('fills the height of the area wherever it was drawn, and however small', () => {
    for (const at of [0, 0.3, 0.7]) {
      const strokes: Stroke[] = [
        [
          [at, at],
          [at + 0.1, at + 0.2],
        ],
      ];
      const [left = 0, right = 0, top = 0, bottom = 0] = box(centred(strokes, 0.2, 1));
      expect(top).toBeCloseTo(0.1);
      expect(bottom).toBeCloseTo(0.9);
      expect((left + right) / 2).toBeCloseTo(0.5);
      // The proportions are kept.
      expect(right - left).toBeCloseTo(0.4);
    }
  });

  test('is squeezed where it is too wide', () => {
    const [left = 0, right = 0, top = 0, bottom = 0] = box(
      centred(
        [
          [
            [0, 0.4],
            [1, 0.8],
          ],
        ],
        0.2,
        0.7,
      ),
    );
    expect(right - left).toBeCloseTo(0.5);
    expect(bottom - top).toBeCloseTo(0.32);
  });

  test('a dot stays one, nothing stays nothing', () => {
    expect(centred([[[0.1, 0.2]]], 0.2, 1)).toEqual([[[0.5, 0.5]]]);
    expect(likeNist([]).strokes).toEqual([]);
  });

  test('a short one is drawn with a thicker pen than a long one', () => {
    const line = likeNist([
      [
        [0.5, 0.2],
        [0.5, 0.8],
      ],
    ]);
    const zigzag = likeNist([
      [
        [0.3, 0.2],
        [0.7, 0.4],
        [0.3, 0.5],
        [0.7, 0.6],
        [0.3, 0.8],
      ],
    ]);
    expect(line.pen).toBeGreaterThan(zigzag.pen);
    expect(zigzag.pen).toBeGreaterThanOrEqual(0.13);
    expect(line.pen).toBeLessThanOrEqual(0.26);
  });

  test('is scanned as the mean of each block, in the levels of ink that there were', () => {
    // 4 x 4 pixels: one quarter, half, nothing, all.
    const ink = [255, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 0, 0, 255, 255];
    expect([...scanned(ink, 4, 2, 2)]).toEqual([63.75, 127.5, 0, 255]);
    expect([...scanned(ink, 4, 2, 2, 2)]).toEqual([127.5, 127.5, 0, 255]);
  });
});

test("a tensor's pixels, channels first and last", () => {
  const first = {
    name: 'i',
    datatype: 'FP32',
    shape: [1, 3, 1, 2],
    data: new Float32Array([1, 0, 0.5, 0, 0, 1]),
  } as const;
  expect([...pixelsOf(first, true).data]).toEqual([255, 128, 0, 255, 0, 0, 255, 255]);
  const last = { name: 'i', datatype: 'UINT8', shape: [1, 1, 2, 1], data: new Uint8Array([7, 9]) } as const;
  expect([...pixelsOf(last, false).data]).toEqual([7, 7, 7, 255, 9, 9, 9, 255]);
});

test('a heat map sums the colours; the strongest pixel has the full colour, no weight is white', () => {
  const data = new Float64Array([1, 0, -0.5, 1, 0, -0.5, 0, 0, 0]);
  const heat = heatOf({ name: 'a', datatype: 'FP64', shape: [1, 3, 1, 3], data }, true);
  expect([...heat.values]).toEqual([2, 0, -1]);
  expect([...heatPixels(heat)]).toEqual([230, 97, 1, 255, 255, 255, 255, 255, 147, 179, 231, 255]);
  expect([...heatPixels({ rows: 1, columns: 1, values: new Float64Array(1) })]).toEqual([255, 255, 255, 255]);
});
