import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DATATYPES, type Datatype } from '../../functions/protocol/datatypes.ts';
import { JsonReader } from '../../functions/protocol/json-reader.ts';
import { readJsonData, writeJsonData } from '../../functions/protocol/json-tensor.ts';
import { JsonWriter } from '../../functions/protocol/json-writer.ts';
import type { Tensor } from '../../functions/protocol/tensor.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function read(text: string, datatype: Datatype, shape: readonly number[]): Tensor['data'] {
  const reader = new JsonReader(bytes(text));
  const data = readJsonData(reader, 'x', datatype, shape);
  reader.end();
  return data;
}

/** Numbers as text, in every way that JSON allows to write one. */
const numberText = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((x) => JSON.stringify(x)),
  fc.float({ noNaN: true, noDefaultInfinity: true }).map((x) => JSON.stringify(x)),
  fc
    .tuple(
      fc.boolean(),
      fc.bigInt({ min: 0n, max: 10n ** 25n }),
      fc.stringMatching(/^[0-9]{1,22}$/),
      fc.integer({ min: -330, max: 300 }),
    )
    .map(([minus, whole, fraction, exponent]) => `${minus ? '-' : ''}${whole}.${fraction}e${exponent}`),
  fc.tuple(fc.nat(), fc.stringMatching(/^[0-9]{1,22}$/)).map(([whole, fraction]) => `${whole}.${fraction}`),
);

describe('numbers are read as JSON.parse reads them', () => {
  test('FP64, bit for bit', () => {
    fc.assert(
      fc.property(fc.array(numberText, { minLength: 1, maxLength: 20 }), (texts) => {
        const plain = texts.map((text) => JSON.parse(text) as number).filter(Number.isFinite);
        const finite = texts.filter((text) => Number.isFinite(JSON.parse(text)));
        const data = read(`[ ${finite.join(' ,\n')} ]`, 'FP64', [finite.length]) as Float64Array;
        expect(Array.from(data)).toEqual(plain);
      }),
      { numRuns: 2_000 },
    );
  });

  test('FP32 and FP16: the nearest of the double', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (x) => {
        const text = `[${Object.is(x, -0) ? '-0' : JSON.stringify(x)}]`;
        expect((read(text, 'FP32', [1]) as Float32Array)[0]).toBe(x);
        if (Number.isFinite(Math.f16round(x))) {
          expect((read(text, 'FP16', [1]) as Float16Array)[0]).toBe(Math.f16round(x));
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test.each(['INT64', 'UINT64'] as const)('%s, exact', (datatype) => {
    const [min, max] = datatype === 'INT64' ? [-(2n ** 63n), 2n ** 63n - 1n] : [0n, 2n ** 64n - 1n];
    fc.assert(
      fc.property(fc.array(fc.bigInt({ min, max }), { maxLength: 10 }), (values) => {
        const data = read(`[${values}]`, datatype, [values.length]) as BigInt64Array;
        expect(Array.from(data)).toEqual(values);
      }),
      { numRuns: 2_000 },
    );
    fc.assert(
      fc.property(fc.bigInt({ min: max + 1n, max: 10n ** 30n }), (value) => {
        expect(() => read(`[${value}]`, datatype, [1])).toThrow(/element 0/);
        expect(() => read(`[-${value + 1n}]`, datatype, [1])).toThrow(/element 0/);
      }),
    );
  });

  test('integers written as floats are taken when they are integers', () => {
    expect(Array.from(read('[1.0,2e3,-5.0e0]', 'INT32', [3]) as Int32Array)).toEqual([1, 2000, -5]);
    expect(Array.from(read('[1.0,2e3,-5.0e0]', 'INT64', [3]) as BigInt64Array)).toEqual([1n, 2000n, -5n]);
  });

  test('minus zero stays minus zero', () => {
    expect(Array.from(read('[-0,-0.0]', 'FP32', [2]) as Float32Array)).toEqual([-0, -0]);
  });

  test.each(['01', '.5', '1.', '+1', '1e', '--1', '0x1', '1_0', '- 1', 'nan', 'inf', 'Infinityy', ''])(
    '%s is no number',
    (text) => {
      for (const datatype of ['FP32', 'FP64', 'INT64', 'INT32'] as const) {
        expect(() => read(`[${text}]`, datatype, [1])).toThrow();
      }
    },
  );
});

function written(tensor: Tensor): string {
  const writer = new JsonWriter();
  writeJsonData(writer, tensor);
  return new TextDecoder().decode(writer.finish());
}

test('more numbers than are written at a time', () => {
  for (const [datatype, edge] of [
    ['FP32', -0],
    ['INT64', -(2n ** 63n)],
    ['INT32', -(2 ** 31)],
    ['UINT32', 2 ** 32 - 1],
    ['BOOL', 1],
  ] as const) {
    const TypedArray = DATATYPES[datatype].array as typeof Float32Array;
    const data = new TypedArray(5_000);
    for (const at of [0, 1023, 1024, 4_999]) data[at] = edge as number;
    expect(read(written({ name: 'x', datatype, shape: [5_000], data }), datatype, [5_000])).toEqual(data);
  }
});

const numeric = fc.constantFrom(...(Object.keys(DATATYPES) as Datatype[]).filter((name) => DATATYPES[name].array));
const shapes = fc.array(fc.nat({ max: 4 }), { maxLength: 4 });

test('what is written is read back, flat and nested, for every numeric datatype and shape', () => {
  fc.assert(
    fc.property(numeric, shapes, fc.infiniteStream(fc.nat({ max: 255 })), (datatype, shape, stream) => {
      const count = shape.reduce((product, dim) => product * dim, 1);
      const { array: TypedArray, kind, width } = DATATYPES[datatype];
      if (TypedArray === undefined) throw new Error(datatype);
      const raw = Uint8Array.from({ length: count * width }, () => {
        const byte = stream.next().value ?? 0;
        return kind === 'bool' ? byte % 2 : byte;
      });
      const data = new TypedArray(raw.buffer, 0, count);
      const text = written({ name: 'x', datatype, shape, data });
      expect(Array.from(read(text, datatype, shape) as ArrayLike<unknown> as never[])).toEqual(
        Array.from(data as ArrayLike<unknown> as never[]),
      );
      if (shape.length > 0 && count > 0) {
        expect(Array.from(read(nest(text, shape), datatype, shape) as never)).toEqual(
          Array.from(read(text, datatype, shape) as never),
        );
      }
    }),
    { numRuns: 1_000 },
  );
});

/** The flat JSON text of a tensor, nested like its shape. */
function nest(text: string, shape: readonly number[]): string {
  let items = text.slice(1, -1).split(',');
  for (const dim of shape.toReversed().slice(0, -1)) {
    items = Array.from({ length: items.length / dim }, (_, i) => `[${items.slice(i * dim, (i + 1) * dim)}]`);
  }
  return `[${items}]`;
}

test('any text: JSON.parse and the reader agree on what is JSON', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json({ maxDepth: 5 }),
        fc.string(),
        fc.string({ unit: 'grapheme' }).map((s) => JSON.stringify(s)),
        mutatedJson(),
      ),
      (text) => {
        let plain: unknown;
        let valid = true;
        try {
          plain = JSON.parse(text);
        } catch {
          valid = false;
        }
        const parse = (): unknown => {
          const reader = new JsonReader(bytes(text));
          const value = reader.value('it');
          reader.end();
          return value;
        };
        if (!valid) expect(parse).toThrow(/malformed|expected|twice/);
        else if (!hasDuplicateKeys(text, plain)) expect(JSON.stringify(parse())).toBe(JSON.stringify(plain));
      },
    ),
    { numRuns: 5_000 },
  );
});

/** JSON with one character changed, which is mostly no JSON any more. */
function mutatedJson(): fc.Arbitrary<string> {
  return fc
    .tuple(
      fc.json({ maxDepth: 3 }),
      fc.nat(),
      fc.constantFrom('"', ',', '[', ']', '{', '}', ':', '\\', '0', '-', ' ', 'e'),
    )
    .map(([text, at, character]) => text.slice(0, at % text.length) + character + text.slice((at % text.length) + 1));
}

function hasDuplicateKeys(text: string, plain: unknown): boolean {
  // JSON.parse drops all but the last of equal keys; the reader refuses them.
  try {
    new JsonReader(bytes(text)).value('it');
    return false;
  } catch (error) {
    return (error as Error).message.includes('twice') && plain !== undefined;
  }
}
