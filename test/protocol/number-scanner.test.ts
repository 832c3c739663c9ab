import asc from 'assemblyscript/asc';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { DATATYPES, type Datatype } from '../../functions/protocol/datatypes.ts';
import { JsonReader } from '../../functions/protocol/json-reader.ts';
import { readJsonData } from '../../functions/protocol/json-tensor.ts';
import { numberScanner } from '../../functions/protocol/number-scanner.ts';
import { hardNumber, seededRandom } from '../setup/numbers.ts';

const SOURCE = 'functions/protocol/number-scanner.as.ts';
const MODULE = '../../functions/protocol/number-scanner-module.ts';

test('the module is what its source compiles to', async () => {
  const options = ['-O3', '--runtime', 'stub', '--noAssert', '--use', 'abort='];
  // Three pages: tables and text, and two of results.
  const memory = ['--initialMemory', '3', '--maximumMemory', '3', '--memoryBase', '16'];
  let binary = new Uint8Array();
  const { error, stderr } = await asc.main([SOURCE, '--outFile', 'scan.wasm', ...options, ...memory], {
    writeFile: (_, contents) => {
      binary = Buffer.from(contents);
    },
  });
  expect(error, stderr.toString()).toBeNull();
  expect(binary.length).toBeLessThan(2_048);
  const lines = [
    '// Made of number-scanner.as.ts, which says how.',
    '',
    '/** WebAssembly, in base64. */',
    'export const NUMBER_SCANNER =',
    `  '${Buffer.from(binary).toString('base64')}';`,
    '',
  ];
  await expect(lines.join('\n')).toMatchFileSnapshot(MODULE);
});

/** Numbers are held against JSON.parse; the bench sets more. */
const FUZZ_NUMBERS = Number(process.env.FUZZ_NUMBERS ?? 100_000);
const SEED = Number(process.env.FUZZ_SEED ?? 20_261_125);
const encoder = new TextEncoder();

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

type Read = typeof readJsonData;

/** The reader without WebAssembly. */
async function plainReader(): Promise<Read> {
  vi.stubGlobal('WebAssembly', undefined);
  vi.resetModules();
  return (await import('../../functions/protocol/json-tensor.ts')).readJsonData;
}

function bitsOf(text: string, datatype: Datatype, count: number, read: Read = readJsonData): Uint8Array {
  const data = read(new JsonReader(encoder.encode(text)), 'x', datatype, [count]) as Float32Array;
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

describe('against JSON.parse', () => {
  const random = seededRandom(SEED);
  const texts = Array.from({ length: FUZZ_NUMBERS }, () => hardNumber(random));

  test.each(['FP64', 'FP32'] as const)('%s, bit by bit', (datatype) => {
    const TypedArray = datatype === 'FP64' ? Float64Array : Float32Array;
    const fitting = texts.filter((text) =>
      Number.isFinite(datatype === 'FP64' ? Number(text) : Math.fround(Number(text))),
    );
    expect(fitting.length).toBeGreaterThan(FUZZ_NUMBERS * 0.9);
    const expected = new TypedArray(fitting.map((text) => JSON.parse(text) as number));
    const separators = [',', ', ', ' ,\n  ', '\t,\r\n'];
    const text = fitting.reduce((all, number, i) => all + (separators[i % 7] ?? ',') + number);
    const got = bitsOf(`[ ${text} ]`, datatype, fitting.length);
    const wrong = fitting.findIndex((_, i) => {
      const [from, to] = [i * expected.BYTES_PER_ELEMENT, (i + 1) * expected.BYTES_PER_ELEMENT];
      return Buffer.compare(got.subarray(from, to), new Uint8Array(expected.buffer, from, to - from)) !== 0;
    });
    expect(fitting[wrong]).toBeUndefined();
  });

  test.each(['INT8', 'UINT16', 'INT32', 'UINT32', 'INT64', 'UINT64', 'FP16'] as const)('%s', (datatype) => {
    const { min, max, kind, array } = DATATYPES[datatype];
    const edge = datatype === 'INT64' ? 2n ** 63n : 2n ** 64n;
    const random = seededRandom(SEED);
    const numbers = Array.from({ length: 5_000 }, (_, i) => {
      if (kind === 'float') return String((random() - 0.5) * 10 ** Math.floor(random() * 10 - 5));
      if (kind === 'int') return String(i < 20 ? (i % 2 ? min : max) : min + Math.floor(random() * (max - min)));
      const large = BigInt(Math.floor(random() * 2 ** 53)) << BigInt(i % 11);
      if (i < 20) return String(datatype === 'INT64' ? (i % 2 ? edge - 1n : -edge) : edge - 1n);
      return String(datatype === 'INT64' && i % 3 === 0 ? -(large % edge) : large % edge);
    });
    const values = numbers.map((text) => (kind === 'bigint' ? BigInt(text) : Number(text)));
    const expected = new (array as unknown as { new (values: unknown[]): Float32Array })(values);
    expect(bitsOf(`[${numbers}]`, datatype, numbers.length)).toEqual(new Uint8Array(expected.buffer));
  });

  test('numbers that lie across the ends of what is read at once, and long white space', () => {
    for (const gap of [0, 1, 62, 63, 64, 65, 40_000]) {
      const numbers = Array.from({ length: 4_000 }, (_, i) => `${i / 7}`);
      const text = `[${numbers.join(`,${' '.repeat(gap === 40_000 ? 9 : gap)}`)}${' '.repeat(gap)}]`;
      const expected = Float64Array.from(numbers, Number);
      expect(bitsOf(text, 'FP64', numbers.length)).toEqual(new Uint8Array(expected.buffer));
    }
  });
});

describe('the plain reader', () => {
  const numbers = (at: number, wrong: string): string =>
    Array.from({ length: 40 }, (_, i) => (i === at ? wrong : String(i))).join(',');
  const WRONG = [
    '01',
    '.5',
    '1.',
    '+1',
    '1e',
    '1e+',
    '--1',
    '0x1',
    '1_0',
    '- 1',
    'nan',
    'Infinityy',
    '""',
    'null',
    '[1]',
    '',
  ];
  const LONG = [`0.${'0'.repeat(2_000)}`, '9'.repeat(30), `1${'0'.repeat(1_200)}`, `0.1${'2'.repeat(1_200)}`];
  const HARD = [
    'NaN',
    '-Infinity',
    '1e400',
    '1e39',
    '70000',
    '-1',
    '0.5',
    '1e2',
    '-0',
    '9223372036854775807',
    '9223372036854775808',
    '-9223372036854775808',
    '-9223372036854775809',
    '9999999999999999999',
    '18446744073709551616',
    '1 2',
    '5]',
    '5}',
  ];
  const outcome = (read: Read, text: string, datatype: Datatype, shape: readonly number[]): unknown => {
    const reader = new JsonReader(encoder.encode(text));
    try {
      const data = read(reader, 'x', datatype, shape) as Float32Array;
      return [Buffer.from(data.buffer).toString('hex'), reader.pos];
    } catch (error) {
      return [(error as Error).message, reader.pos];
    }
  };

  test('says the same of whatever is wrong or hard, wherever it stands', async () => {
    const plain = await plainReader();
    const seen = new Set<unknown>();
    for (const datatype of ['FP32', 'FP64', 'FP16', 'INT64', 'UINT64', 'INT32', 'UINT8'] as const) {
      for (const token of [...WRONG, ...LONG, ...HARD]) {
        for (const at of [0, 17, 39]) {
          for (const shape of [[40], [8, 5]]) {
            const flat = `[${numbers(at, token)}]`;
            const text =
              shape.length === 1
                ? flat
                : flat.replace(/((?:[^,]*,){4}[^,]*),/g, '$1],[').replace(/^|$/g, (_, i) => (i === 0 ? '[' : ']'));
            const expected = outcome(plain, text, datatype, shape);
            expect(outcome(readJsonData, text, datatype, shape), `${datatype} ${token.slice(0, 40)} ${at}`).toEqual(
              expected,
            );
            seen.add((expected as unknown[])[0]);
          }
        }
      }
    }
    expect(seen.size).toBeGreaterThan(100);
  });

  test('says the same of text that ends early', async () => {
    const plain = await plainReader();
    const text = `[${Array.from({ length: 40 }, (_, i) => i / 3)}]`;
    for (let end = 1; end <= text.length; end++) {
      const cut = text.slice(0, end);
      expect(outcome(readJsonData, cut, 'FP32', [40])).toEqual(outcome(plain, cut, 'FP32', [40]));
    }
  });

  test('reads the hard numbers alike', async () => {
    const plain = await plainReader();
    const random = seededRandom(SEED + 1);
    const text = `[${Array.from({ length: 5_000 }, () => hardNumber(random)).filter((text) => Number.isFinite(Number(text)))}]`;
    const count = text.split(',').length;
    expect(bitsOf(text, 'FP64', count)).toEqual(bitsOf(text, 'FP64', count, plain));
  });
});

test('rows of another length than the shape says are refused, whole', () => {
  const rows = (width: number): string => `[${Array.from({ length: 20 }, () => `[${Array(width).fill('1.5')}]`)}]`;
  for (const width of [2, 4, 100]) {
    expect(() => readJsonData(new JsonReader(encoder.encode(rows(width))), 'x', 'FP32', [20, 3])).toThrow(/in 'data'/);
  }
});

test('numbers as numpy writes them are all read by the scanner', () => {
  const random = seededRandom(SEED);
  for (const [datatype, data] of [
    ['FP32', new Float32Array(3_072)],
    ['FP64', new Float64Array(3_072)],
  ] as const) {
    const reader = new JsonReader(encoder.encode(`${Array.from(data, () => (random() - 0.5) / 1_000)}]`));
    const scan = numberScanner(reader, datatype, [data.length], data);
    let [index, calls] = [0, 0];
    for (; index < data.length && calls < 10; calls++) {
      index += scan?.(index, data.length - index, false) ?? 0;
      if (index < data.length) reader.pos++;
    }
    expect({ datatype, index }).toEqual({ datatype, index: data.length });
  }
});
