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

test('powers of ten, all of them', () => {
  const random = seededRandom(SEED);
  const texts = Array.from({ length: 652 * 8 }, (_, i) => {
    const digits = String(Math.floor(random() * 2 ** 53)) + (i % 3 === 0 ? String(Math.floor(random() * 100)) : '');
    return `${i % 2 === 0 ? digits : digits.slice(0, 1 + (i % 7))}e${(i % 652) - 343}`;
  }).filter((text) => Number.isFinite(Number(text)));
  expect(bitsOf(`[${texts}]`, 'FP64', texts.length)).toEqual(new Uint8Array(Float64Array.from(texts, Number).buffer));
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
    '1.0',
    '-128',
    '128.0',
    '2.55e2',
    '256',
    '-32769',
    '65535',
    '2147483648',
    '-2147483648.00',
    '4294967296',
    '1e-400',
    '5e-324',
    '1.7976931348623158e308',
    '1.7976931348623159e308',
    '3.4028235677973366e38',
    '1 2',
    '5]',
    '5}',
  ];
  const SPACES = ['', '', '', ' ', '\n  ', '\t\r\n '];
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
    for (const datatype of Object.keys(DATATYPES).filter((name) => !['BOOL', 'BYTES'].includes(name)) as Datatype[]) {
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

  test('says the same of rows in rows, and of brackets that are not those of the shape', async () => {
    const plain = await plainReader();
    const random = seededRandom(SEED + 2);
    const below = (n: number): number => Math.floor(random() * n);
    const space = (): string => SPACES[below(SPACES.length)] as string;
    const nested = ([items, ...shape]: readonly number[]): string =>
      items === undefined
        ? below(50) === 0
          ? 'NaN'
          : String(below(2) === 0 ? below(300) : random())
        : `[${space()}${Array.from({ length: items }, () => nested(shape) + space()).join(`,${space()}`)}]`;
    let right = 0;
    const wrong = new Set<unknown>();
    for (let round = 0; round < 2_000; round++) {
      const shape = Array.from({ length: 2 + below(4) }, () => 1 + below(6));
      const texts = [nested(shape)];
      for (let mutant = 0; mutant < 3; mutant++) {
        // A bracket, a comma or whatever else stands there goes, comes, or comes in place of another.
        const text = texts[0] as string;
        const marks = Array.from(text.matchAll(/[[\],]/g), ({ index }) => index);
        const at = marks[below(marks.length)] as number;
        const put = ['', '[', ']', ',', '],[', '[]', ',1'][below(7)] as string;
        texts.push(text.slice(0, at) + put + text.slice(at + below(2)));
      }
      // Another shape of as many elements.
      const other = shape.toReversed();
      for (const [i, text] of [...texts, texts[0] as string].entries()) {
        const expected = outcome(plain, text, 'FP32', i > 3 ? other : shape);
        expect(outcome(readJsonData, text, 'FP32', i > 3 ? other : shape), `[${shape}] ${text}`).toEqual(expected);
        const [said, end] = expected as [string, number];
        if (said.includes(' ')) wrong.add(said.replace(/[0-9]+/g, '0'));
        else if (end === text.length) right++;
      }
    }
    expect(right).toBeGreaterThan(2_000);
    expect(wrong.size).toBeGreaterThan(50);
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

test('as many elements in other brackets are refused', () => {
  for (const text of [
    '[[[1,2],[3,4],[5,6],[7,8]],[[1,2],[3,4],[5,6],[7,8]]]',
    '[[[1,2]],[[3,4]],[[5,6]],[[7,8]],[1]]',
  ]) {
    for (const shape of [
      [4, 2, 2],
      [2, 2, 4],
    ]) {
      expect(() => readJsonData(new JsonReader(encoder.encode(text)), 'x', 'FP32', shape)).toThrow(/in 'data'/);
    }
  }
});

test('rows of another length than the shape says are refused, whole', () => {
  const rows = (width: number): string => `[${Array.from({ length: 20 }, () => `[${Array(width).fill('1.5')}]`)}]`;
  for (const width of [2, 4, 100]) {
    expect(() => readJsonData(new JsonReader(encoder.encode(rows(width))), 'x', 'FP32', [20, 3])).toThrow(/in 'data'/);
  }
});

test.each([
  ['as numpy writes floats', 'FP32', [3_072], (x: number) => String(Math.fround(x))],
  ['as numpy writes doubles', 'FP64', [3_072], String],
  ['small', 'FP64', [3_072], (x: number) => String(x * 1e-200)],
  ['with 30 places', 'FP32', [3_072], (x: number) => x.toFixed(30)],
  ['integers that are written as floats', 'INT16', [3_072], (x: number) => `${x.toFixed(0)}.0`],
  [
    'in rows of three',
    'FP32',
    [512, 2, 3],
    (x: number, i: number) => `${i % 3 ? '' : i % 6 ? '[' : '[['}${x}${i % 3 < 2 ? '' : i % 6 < 5 ? ']' : ']]'}`,
  ],
  ['in rows of one', 'FP64', [3_072, 1, 1], (x: number) => `[[${x}]]`],
] as const)('numbers %s are all read by the scanner, in a few calls', (_, datatype, shape, write) => {
  const random = seededRandom(SEED);
  const data = { FP32: new Float32Array(3_072), FP64: new Float64Array(3_072), INT16: new Int16Array(3_072) }[datatype];
  const text = Array.from({ length: data.length }, (_, i) => write((random() - 0.5) * 100, i)).join(', ');
  const reader = new JsonReader(encoder.encode(`${text}]`));
  const inRow = shape.length > 1;
  if (inRow) reader.pos = text.search(/[^[]/);
  const scan = numberScanner(reader, datatype, shape, data);
  let [index, calls] = [0, 0];
  for (; index < data.length && calls < 10; calls++) {
    index += scan?.(index, data.length - index, inRow) ?? 0;
    while (index < data.length && /[\],[ ]/.test(String.fromCharCode(reader.bytes[reader.pos] as number))) reader.pos++;
  }
  expect(index).toBe(data.length);
});
