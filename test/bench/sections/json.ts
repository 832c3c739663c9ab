// Reading the numbers of a JSON tensor: ours, and JSON.parse with a typed array made of what it returns.

import type { Datatype } from '../../../functions/protocol/datatypes.ts';
import { JsonReader } from '../../../functions/protocol/json-reader.ts';
import { readJsonData } from '../../../functions/protocol/json-tensor.ts';
import { hardNumber, seededRandom } from '../../setup/numbers.ts';
import { alternate } from '../alternate.ts';
import type { Row, Section } from '../section.ts';

/** Few enough that a call is over before the system gives the core to somebody else. */
const COUNT = 12_288;
const FUZZ_NUMBERS = 1_000_000;
const ROUNDS = 60;

type Case = { readonly name: string; readonly datatype: Datatype; readonly text: string; readonly shape: number[] };

function cases(): Case[] {
  const random = seededRandom(1);
  const numbers = Array.from({ length: COUNT }, () => (random() - 0.5) * 4);
  const flat = (name: string, datatype: Datatype, write: (x: number) => string | number, count = COUNT): Case => ({
    name,
    datatype,
    text: `[${numbers.slice(0, count).map(write).join(', ')}]`,
    shape: [count],
  });
  const rows = Array.from({ length: COUNT / 3 }, (_, i) => `[${numbers.slice(i * 3, i * 3 + 3)}]`);
  return [
    flat('FP32, as numpy writes doubles', 'FP32', (x) => x),
    flat('FP32, as numpy writes floats', 'FP32', Math.fround),
    flat('the same, 3,072 of them', 'FP32', Math.fround, 3_072),
    flat('FP32, 20 decimals', 'FP32', (x) => x.toFixed(20)),
    flat('FP32, 4 decimals', 'FP32', (x) => x.toFixed(4)),
    flat('FP32, small, with exponents', 'FP32', (x) => x * 1e-7),
    { name: 'FP32, rows of three', datatype: 'FP32', text: `[${rows}]`, shape: [COUNT / 3, 3] },
    flat('FP64', 'FP64', (x) => x),
    flat('UINT8', 'UINT8', (x) => Math.floor(Math.abs(x) * 60)),
    flat('INT64, ids of tokens', 'INT64', (x) => Math.floor(Math.abs(x) * 16_000)),
  ];
}

export default {
  name: 'json',
  what: 'Reading the numbers of a JSON tensor, beside JSON.parse',
  run: async ({ quick }) => [{ title: 'Nanoseconds for each number', rows: await measured(quick ? 2 : ROUNDS) }],
} satisfies Section;

async function measured(rounds: number): Promise<Row[]> {
  checkHardNumbers(rounds === ROUNDS ? FUZZ_NUMBERS : FUZZ_NUMBERS / 100);
  const results: Row[] = [];
  for (const { name, datatype, text, shape } of cases()) {
    const bytes = new TextEncoder().encode(text);
    const decoder = new TextDecoder();
    const ours = (): Float32Array => readJsonData(new JsonReader(bytes), 'x', datatype, shape) as Float32Array;
    const parsed = (): number[] => {
      const found = JSON.parse(decoder.decode(bytes)) as number[] | number[][];
      return Array.isArray(found[0]) ? found.flat() : (found as number[]);
    };
    const TypedArray = ours().constructor as Float32ArrayConstructor;
    const theirs = (): Float32Array =>
      datatype === 'INT64' ? TypedArray.from(parsed(), BigInt as never) : new TypedArray(parsed());
    if (Buffer.compare(Buffer.from(ours().buffer), Buffer.from(theirs().buffer)) !== 0)
      throw new Error(`${name}: not the numbers of JSON.parse`);
    const [our = 0, their = 0] = await alternate([ours, theirs], rounds, 2);
    const perNumber = (ms: number): number => Number(((ms * 1e6) / ours().length).toFixed(1));
    results.push({
      numbers: name,
      'ours, ns each': perNumber(our),
      'JSON.parse, ns each': perNumber(their),
      ratio: Number((their / our).toFixed(2)),
    });
  }
  return results;
}

/** @throws unless numbers that are hard to round are those of JSON.parse, bit by bit */
function checkHardNumbers(count: number): void {
  const random = seededRandom(2);
  const size = 10_000;
  for (let done = 0; done < count; done += size) {
    const texts = Array.from({ length: size }, () => hardNumber(random)).filter((text) =>
      Number.isFinite(Math.fround(Number(text))),
    );
    const bytes = new TextEncoder().encode(`[${texts}]`);
    const plain = JSON.parse(`[${texts}]`) as number[];
    for (const [datatype, expected] of [
      ['FP64', new Float64Array(plain)],
      ['FP32', new Float32Array(plain)],
    ] as const) {
      const got = readJsonData(new JsonReader(bytes), 'x', datatype, [texts.length]) as Float64Array;
      const wrong = got.findIndex((value, i) => !Object.is(value, expected[i]));
      if (wrong >= 0) throw new Error(`${datatype}: ${texts[wrong]} was read as ${got[wrong]}`);
    }
  }
}
