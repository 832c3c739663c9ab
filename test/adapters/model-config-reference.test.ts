// What is read is what Google's own implementation reads, where it is not meant to be otherwise.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { MODEL_CONFIG } from '../../functions/adapters/model-config-schema.ts';
import { readJson } from '../../functions/adapters/protobuf-json.ts';
import type { Field, Message } from '../../functions/adapters/protobuf-schema.ts';
import { readText } from '../../functions/adapters/protobuf-text.ts';
import { ensureVenv } from '../../functions/cli/venv.ts';
import { ModelRejected } from '../../functions/inference/ports.ts';
import { InvalidRequest } from '../../functions/protocol/errors.ts';
import { seededRandom } from '../setup/numbers.ts';

const SEED = 8;
const GENERATED = 200;

const random = seededRandom(SEED);
const below = (n: number): number => Math.floor(random() * n);
const pick = <T>(items: readonly T[]): T => items[below(items.length)] as T;

const named = (value: string): string => `name: ${value}`;
const quoted = (value: string): string => `name: "${value}"`;
const size = (value: string): string => `max_batch_size: ${value}`;
const versions = (value: string): string => `version_policy { specific { versions: ${value} } }`;
const priority = (value: string): string => `dynamic_batching { priority_levels: ${value} }`;
const share = (value: string): string => `sequence_batching { direct { minimum_slot_utilization: ${value} } }`;
const optional = (value: string): string => `input { optional: ${value} }`;
const typed = (value: string): string => `input { data_type: ${value} }`;

/** Those between white space. */
const words = (list: string): string[] => list.trim().split(/\s+/);
const lines = (list: string): string[] => list.trim().split(/\n\s*/);

const AWKWARD_TEXTS: readonly string[] = [
  ...[
    '',
    ' ',
    '#',
    '# only a comment',
    '\n\t\v\f\r\n',
    'max_batch_size: 1 # one\nname: "x" # two',
    'max_batch_size: #\n1',
  ],
  ...['input { # }\n }', 'name: "a\nb"', 'name: "a\\\nb"', 'name: "a"\n# and\n\'b\''],
  ...words(
    String.raw`} { , ; : " ' \ name name: name:x name"x" name:["x"] name:[] name:{} Name:"x" NAME:"x" maxBatchSize:3`,
  ),
  ...words(
    `name:"x", name:"x"; name:"x",; ,name:"x" name:"x"platform:"y" name:"x"name:"y" name:""name:"" name:"#" name:'#''x'`,
  ),
  ...words('1:2 [a.b]:3 [a.b/c.d]{} max_batch_size=3 max_batch_size:10name:"x" name:"x"[a.b]:3'),
  ...words(
    'input{} input:{} input<> input:<> input{> input<} input{ input{}} input{{}} input:5 input:"x" input[] input:[]',
  ),
  ...words(
    'input[{},<>] input:[{},] input[{}{}] input[{};{}] input[[{}]] input{}input[{}]input:<name:"x"> input[,{}] input[{}',
  ),
  ...words('input{name:"a";dims:1,dims:[2,3]} input{dims:[]} input{dims[1]} input{dims:[1,2,]} input{dims:[1;2]}'),
  ...words('input{reshape{}reshape{}} input{reshape:[{}]} version_policy{latest{}} version_policy{}'),
  ...lines(`
    input { dims: [1 2] }
    input { dims: 1 2 }
    parameters { key: "a" value { string_value: "1" } } parameters { key: "a" value { string_value: "2" } }
    parameters { key: "a" value { string_value: "1" } } parameters { key: "a" }
    parameters { value { string_value: "1" } key: "a" }
    cc_model_filenames { key: "__proto__" value: "a" } cc_model_filenames { key: "constructor" value: "b" }
    model_metrics { metric_control { histogram_options { buckets: [0.1, 1, -.5e-3f, inf] } } }`),
  ...words(
    'parameters{} parameters[] parameters[{}] parameters{key:"a"} parameters{value{}} parameters:[{key:"a"},{value{}}]',
  ),
  ...words(
    'parameters{key:"a"key:"b"} parameters{key:"a",value:<>;} parameters{key:1} parameters{kee:"a"} parameters{key"a"}',
  ),
  ...words(
    'cc_model_filenames{key:"a"} cc_model_filenames{value:"a"} cc_model_filenames{value{}} parameters{value{}value{}}',
  ),
  ...words(`"x" 'x' "x"'y' "x""y"'z' "x'y" 'x"y' "x 'x "x' "" "\\" "\\" "é€😀" "\\xc3""\\xa9" "\\xc3"'z'`).map(named),
  ...words(
    String.raw`\n\r\t\a\b\f\v \\\'\" \0 \7z \101 \1014 \377 \400 \777 \303\251 \xc3\xa9 \xc3 \xff \xe2\x82\xacx`,
  ).map(quoted),
  ...words(String.raw`\x41 \x4 \x4g \x414 \x \xg \u00e9 \u00e \u \U0001F600 \U0001F60 \U00110000 \U0010FFFF`).map(
    quoted,
  ),
  ...words(String.raw`\ud800 \udfff \ud83d\ude00 \ufeffx`).map(quoted),
  ...words('0 -0 7 -7 00 017 -017 08 0x1F 0XfF -0x1f 0x 0xg 1.0 1e3 1f "1" one true').map(versions),
  ...words('9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775809').map(versions),
  ...words('9007199254740993 0x7fffffffffffffff 0x8000000000000000 0777777777777777777777').map(versions),
  ...words('18446744073709551615 18446744073709551616 0xffffffffffffffff -1 0').map(priority),
  ...words('2147483647 2147483648 -2147483648 -2147483649 10name 1_ --1 - 1. .1 1..2 1.2.3 [1] {}').map(size),
  ...words('4294967295 4294967296 -1').map((value) => `model_warmup { count: ${value} }`),
  ...words('0 -0 1 -1.5 .5 5. 1e3 1E-3 1e+3 1.5e 0.1 0.1f 1F 10f 1e3f 1e400 -1e400 1e39 1e-60 01.5 1.e5 .e5').map(
    share,
  ),
  ...words(
    'inf -inf INF infinity -Infinity nan NaN -nan in infinit x "1" 0x1 017 08 00 16777217 1234567890123456789',
  ).map(share),
  ...words('true false t f True False 1 0 TRUE T yes 2 -1 -true "true" 1.0').map(optional),
  ...words(
    'TYPE_FP32 type_fp32 TYPE_FLOAT 11 0xb 0 99 -1 -TYPE_FP32 "TYPE_FP32" 11.0 2147483648 true TYPE_INVALID',
  ).map(typed),
];

/** What the reference, here its Python implementation, takes otherwise than we do, and why. */
const OTHER_TEXTS: readonly (readonly [text: string, ours: object | undefined, reason: string])[] = [
  [versions('- 1'), { version_policy: { specific: { versions: [-1] } } }, 'the specification: space after a sign'],
  [versions('-\n# minus\n1'), { version_policy: { specific: { versions: [-1] } } }, 'the specification: comments, too'],
  [versions('+1'), undefined, 'the specification has no plus; Python reads integers by its own rules'],
  [versions('1_000'), undefined, 'the specification has no underscore; Python does'],
  [versions('0b11'), undefined, 'the specification has no binary numbers; Python does'],
  [versions('0o17'), undefined, 'the specification has octal numbers without an o; Python has both'],
  [priority('-0'), undefined, 'the specification: an unsigned integer has no sign'],
  [optional('0x1'), { input: [{ optional: true }] }, 'the specification: any notation of 0 and 1'],
  [optional('00'), { input: [{ optional: false }] }, 'the specification: any notation of 0 and 1'],
  [
    typed('013'),
    { input: [{ data_type: 'TYPE_FP32' }] },
    'the specification: any integer; Python has no octal ones here',
  ],
  [share('+1'), undefined, 'the specification has no plus'],
  [share('1_0'), undefined, 'the specification has no underscore'],
  [share('1ff'), undefined, 'the specification: one f'],
  [share('inff'), undefined, 'the specification: inf and infinity'],
  [named('"\\q"'), undefined, 'the specification: other escapes are none; Python keeps them'],
  [named('"\\X41"'), undefined, 'the specification: a small x'],
  [named('"\\?"'), { name: '?' }, 'the specification: a question mark; Python keeps the backslash'],
  [named('"\\8"'), undefined, 'the specification: 8 is no octal digit; Python keeps the backslash'],
  [named('"a\0b"'), undefined, 'the specification: no NUL'],
  ['name:\u00a0"x"', undefined, 'the specification: white space is that of ASCII'],
  ['name:\u2003"x"', undefined, 'the specification: white space is that of ASCII'],
];

const AWKWARD_JSONS: readonly string[] = [
  '',
  ...lines(`
    {
    {}
    null
    "x"
    {} {}
    {"name": "x",}
    {'name': 'x'}
    {"name": "a", "name": "b"}
    {"nonsense": 1}
    {"nonsense": null}
    {"[a.b]": 1}
    {"constructor": 1}
    {"__proto__": 1}
    {"maxBatchSize": 4}
    {"MaxBatchSize": 4}
    {"max_batchSize": 4}
    {"version_policy": {"latest": {}}}`),
  ...words(String.raw`"x" null 1 "" "\ud800" "\ud83d\ude00\n" ["x"] {}`).map((value) => `{"name": ${value}}`),
  ...words('4 "4" "-4" 4.0 "4.0" 4.5 1e3 "4.5" "0x4" "" "x" true [] {} 0 null 2147483647 2147483648 "2147483648"').map(
    (value) => `{"max_batch_size": ${value}}`,
  ),
  ...words('"9223372036854775807" "9223372036854775808" 9007199254740993 "-9223372036854775808" null [1] 1e18').map(
    (value) => `{"version_policy": {"specific": {"versions": [1, ${value}]}}}`,
  ),
  ...words('-1 "18446744073709551615" "18446744073709551616"').map(
    (value) => `{"dynamic_batching": {"priority_levels": ${value}}}`,
  ),
  ...words('1 0.1 "0.1" "1e3" 1e39 -1e39 "NaN" "Infinity" "-Infinity" NaN "x" "" {} null').map(
    (value) => `{"sequence_batching": {"direct": {"minimum_slot_utilization": ${value}}}}`,
  ),
  ...words('true false null "true" 1 0 []').map((value) => `{"input": [{"optional": ${value}}]}`),
  ...words('"TYPE_FP32" 11 0 "TYPE_INVALID" 99 -1 "TYPE_FLOAT" "type_fp32" [] null 2147483648').map(
    (value) => `{"input": [{"dataType": ${value}}]}`,
  ),
  ...words('[] {} null [null] [{}] [{"dims":[]}] [{"dims":[1,"2"]}] [{"dims":1}]').map(
    (value) => `{"input": ${value}}`,
  ),
  ...words('{} [1] null {"a":null} {"a":{}} {"a":{"string_value":"1"}} {"a":{"stringValue":"1"},"":{}} {"a":"1"}').map(
    (value) => `{"parameters": ${value}}`,
  ),
  ...words('{"a":"b"} {"a":null} {"a":1} {"a":"b","a":"c"} {"__proto__":"b"}').map(
    (value) => `{"cc_model_filenames": ${value}}`,
  ),
];

const OTHER_JSONS: readonly (readonly [text: string, ours: object | undefined, reason: string])[] = [
  ['[]', undefined, 'a message is an object; Python takes an empty array for one'],
  ['{"sequence_batching": {"direct": {"minimum_slot_utilization": "inf"}}}', undefined, 'the mapping: Infinity'],
  ['{"input": [[]]}', undefined, 'a message is an object; Python takes an empty array for one'],
  ['{"max_batch_size": "1_0"}', undefined, 'the mapping has no underscore; Python does'],
  ['{"input": [{"data_type": "11"}]}', undefined, 'the mapping: a name, or a number that is no string'],
  ['{"input": [{"data_type": 1.5}]}', undefined, 'the mapping: an integer; Python rounds down'],
  ['{"max_batch_size": 1, "maxBatchSize": 2}', undefined, 'one field twice; Python takes the last one'],
];

/** A text of the message, in any of the notations that the language has for the same. */
function textOf(message: Message, depth = 0): string {
  const fields = [...message.fields.values()].filter(() => below(message.fields.size) < (depth === 0 ? 6 : 3));
  const blank = (): string => pick([' ', ' ', '\n', '\t', ' # a comment\n']);
  const text = fields.map((field) => {
    const submessage = field.isMap ? undefined : MODEL_CONFIG.message(field.type);
    const one = (): string => {
      if (field.isMap) {
        const value = MODEL_CONFIG.message(field.type);
        const parts = [`key: ${textValue('string')}`];
        parts.push(value ? `value ${braced(textOf(value, depth + 1))}` : `value: ${textValue(field.type)}`);
        return braced((below(2) === 0 ? parts : parts.reverse()).slice(below(6) === 0 ? 1 : 0).join(blank()));
      }
      return submessage ? braced(textOf(submessage, depth + 1)) : textValue(field.type);
    };
    const colon = submessage || field.isMap ? pick(['', ':', ' :']) : pick([':', ' : ']);
    const isList = (field.isList || field.isMap) && below(2) === 0;
    const value = isList ? `[${Array.from({ length: below(4) }, one).join(`${blank()},`)}]` : one();
    return `${field.name}${colon}${blank()}${value}`;
  });
  return text.map((field) => field + pick(['', '', ',', ';']) + blank()).join('');
}

const braced = (fields: string): string => (below(3) === 0 ? `<${fields}>` : `{ ${fields} }`);

function textValue(type: string): string {
  const values = MODEL_CONFIG.valuesOf(type);
  if (values !== undefined) return below(4) === 0 ? String(below(values.length + 1)) : pick(values);
  if (type === 'string')
    return pick(['"x"', "'y z'", '""', '"a" "b"', '\'é\' "€"', '"\\n\\t\\x41\\101"', '"\\u00e9\\303\\251"']);
  if (type === 'bool') return pick(['true', 'false', 't', 'f', 'True', 'False', '1', '0']);
  if (type === 'float' || type === 'double')
    return pick(['1', '0.5', '-1e3', '.25f', '7F', 'inf', '-inf', 'nan', String(random())]);
  return pick(['0', '1', '7', '0x1F', '017', String(below(2 ** 31)), ...(type.startsWith('u') ? [] : ['-1', '-0x7'])]);
}

const TOKENS = [
  '{',
  '}',
  '<',
  '>',
  '[',
  ']',
  ':',
  ',',
  ';',
  '"x"',
  "'y'",
  '1',
  '-1',
  '3000000000',
  '1.5',
  'inf',
  'true',
  'TYPE_FP32',
];
const NAMES = ['name', 'dims', 'input', 'parameters', 'key', 'value', 'reshape', 'nonsense', '[a.b]', '#', '"', '='];

/** The same text with a token removed, doubled, or in the place of another. */
function mutated(text: string): string {
  const tokens = text.match(/#.*|"(?:\\.|[^"\\])*"|'[^']*'|[\w.-]+|\s+|./g) ?? [];
  const at = below(tokens.length);
  const replacement = pick([[], [tokens[at], tokens[at]], [pick([...TOKENS, ...NAMES])], [pick(tokens)]]);
  return tokens.toSpliced(at, 1, ...(replacement as string[])).join('');
}

/** The same text with a character removed, doubled or exchanged; one with escapes would become other ones. */
function worn(text: string): string {
  if (text.includes('\\')) return mutated(text);
  const at = below(text.length);
  return (
    text.slice(0, at) +
    pick(['', text.slice(at, at + 1).repeat(2), pick([...'{}<>[]:,;"\'#=ax01 \n'])]) +
    text.slice(at + 1)
  );
}

/** A JSON value of the message, where some fields are of another type. */
function jsonOf(message: Message, depth = 0): object {
  const fields = [...message.fields.values()].filter(() => below(message.fields.size) < (depth === 0 ? 5 : 3));
  return Object.fromEntries(
    fields.map((field) => {
      const camel = field.name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
      return [pick([field.name, camel]), jsonField(field, depth)];
    }),
  );
}

function jsonField({ type, isList, isMap }: Field, depth: number): unknown {
  if (below(25) === 0) return pick([null, 'x', {}, [null], 3_000_000_000]);
  const submessage = MODEL_CONFIG.message(type);
  const one = (): unknown => (submessage ? jsonOf(submessage, depth + 1) : jsonValue(type));
  const some = Array.from({ length: below(3) }, one);
  if (isMap) return Object.fromEntries(some.map((value, i) => [`key ${i}`, value]));
  return isList ? some : one();
}

function jsonValue(type: string): unknown {
  const values = MODEL_CONFIG.valuesOf(type);
  if (values !== undefined) return below(3) === 0 ? below(values.length + 1) : pick(values);
  if (type === 'string') return pick(['', 'x', 'é€😀', 'a\nb']);
  if (type === 'bool') return below(2) === 0;
  if (type === 'float' || type === 'double') return pick([0, 1, -0.5, '0.25', 'NaN', '-Infinity', random()]);
  return pick([0, 1, 7, '12', below(2 ** 31), ...(type.startsWith('u') ? [] : [-1, '-7'])]);
}

const FLOATS = ['minimum_slot_utilization', 'fp32_false_true'];

/** As model_config.py prints it: a float is one of 32 bits, and what is not finite has a name. */
function comparable(value: unknown, name = ''): unknown {
  if (Array.isArray(value)) return value.map((item) => comparable(item, name));
  if (typeof value === 'object') {
    return Object.fromEntries(Object.entries(value as object).map(([key, item]) => [key, comparable(item, key)]));
  }
  if (typeof value !== 'number') return value;
  const rounded = FLOATS.includes(name) ? Math.fround(value) : value;
  return Number.isFinite(rounded) ? rounded : String(rounded);
}

/** Null for what is refused, and only for that. */
function answerOf(read: () => object): unknown {
  try {
    return comparable(read());
  } catch (error) {
    if (error instanceof ModelRejected || error instanceof InvalidRequest) return null;
    throw error;
  }
}

const texts = Array.from({ length: GENERATED }, () => textOf(MODEL_CONFIG.root()));
const damaged = texts.flatMap((text) => (text === '' ? [] : [mutated(text), worn(text)]));
const jsons = Array.from({ length: GENERATED }, () => JSON.stringify(jsonOf(MODEL_CONFIG.root())));

type Case = { readonly text: string; readonly value: unknown };
let reference: { texts: Map<string, unknown>; jsons: Map<string, unknown> };

beforeAll(async () => {
  const { messages, enums } = MODEL_CONFIG;
  const all = {
    texts: [...AWKWARD_TEXTS, ...OTHER_TEXTS.map(([text]) => text), ...texts, ...damaged],
    jsons: [...AWKWARD_JSONS, ...OTHER_JSONS.map(([text]) => text), ...jsons],
  };
  const answered = execFileSync(await ensureVenv(), [join(import.meta.dirname, 'model_config.py')], {
    encoding: 'utf8',
    input: JSON.stringify({ root: MODEL_CONFIG.root().name, messages, enums, ...all }),
    maxBuffer: 2 ** 26,
  });
  const answers = JSON.parse(answered) as { texts: unknown[]; jsons: unknown[] };
  const byText = (of: readonly string[], values: readonly unknown[]) => new Map(of.map((text, i) => [text, values[i]]));
  reference = { texts: byText(all.texts, answers.texts), jsons: byText(all.jsons, answers.jsons) };
});

const ours = {
  texts: (text: string): unknown => answerOf(() => readText(MODEL_CONFIG, text)),
  jsons: (text: string): unknown => answerOf(() => readJson(MODEL_CONFIG, text)),
};

test.each([
  ['awkward texts', 'texts', AWKWARD_TEXTS],
  ['generated texts', 'texts', texts],
  ['generated texts with a mistake', 'texts', damaged],
  ['awkward JSON', 'jsons', AWKWARD_JSONS],
  ['generated JSON', 'jsons', jsons],
] as const)('%s: both agree on the value, or both refuse', (_, form, list) => {
  const cases = (read: (text: string) => unknown): Case[] => list.map((text) => ({ text, value: read(text) }));
  expect(cases(ours[form])).toEqual(cases((text) => reference[form].get(text)));
});

test('the generated ones are worth something: most are accepted, and most mistakes are found', () => {
  const accepted = (form: 'texts' | 'jsons', list: readonly string[]): number =>
    list.filter((text) => ours[form](text) !== null).length / list.length;
  expect(accepted('texts', texts)).toBe(1);
  expect(accepted('texts', damaged)).toBeLessThan(0.6);
  expect(accepted('texts', damaged)).toBeGreaterThan(0.1);
  expect(accepted('jsons', jsons)).toBeGreaterThan(0.4);
  expect(accepted('jsons', jsons)).toBeLessThan(0.95);
});

test.each([
  ...OTHER_TEXTS.map((other) => ['texts', ...other] as const),
  ...OTHER_JSONS.map((other) => ['jsons', ...other] as const),
])('%s: %j is meant to be otherwise', (form, text, value) => {
  expect(ours[form](text)).toEqual(value ?? null);
  expect(reference[form].get(text)).not.toEqual(value ?? null);
});
