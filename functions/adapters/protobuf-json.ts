import { ModelRejected } from '../inference/ports.ts';
import { JsonReader, type JsonValue } from '../protocol/json-reader.ts';
import { quote } from '../protocol/names.ts';
import { describe, type Field, integerOf, type Message, type Schema, type Values } from './protobuf-schema.ts';

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const NOT_FINITE: ReadonlyMap<unknown, number> = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
]);
const MAX_FLOAT = 3.4028234663852886e38;

/**
 * Reads a message in protobuf's JSON form: fields under their own names or in lowerCamelCase, numbers also as strings, enums
 * by name or number. A field is not set where it is null, or what it is without being set: 0, false, empty.
 * https://protobuf.dev/programming-guides/json/
 * @throws ModelRejected that names the field that is wrong, what was got, and what is expected; InvalidRequest for a text that
 *   is no JSON
 */
export function readJson(schema: Schema, text: string): Values {
  const reader = new JsonReader(new TextEncoder().encode(text));
  const value = reader.value('the message');
  reader.end();
  return new Reader(schema).message(schema.root(), value, '');
}

class Reader {
  readonly #schema: Schema;

  constructor(schema: Schema) {
    this.#schema = schema;
  }

  /** @param path of the message, for errors: empty, or ends with a dot */
  message(message: Message, value: JsonValue, path: string): Values {
    const values: Values = {};
    const seen = new Set<Field>();
    for (const [key, item] of entriesOf(value, path.slice(0, -1))) {
      const field = message.fields.get(key) ?? byJsonName(message, key);
      if (field === undefined) {
        const names = Array.from(message.fields.keys()).join(', ') || 'none';
        throw new ModelRejected(`unknown field ${quote(path + key)} of ${message.name}; expected one of ${names}`);
      }
      const at = path + field.name;
      if (seen.has(field)) throw new ModelRejected(`'${at}' is there twice; expected it once`);
      seen.add(field);
      const read = item === null ? undefined : this.#field(field, item, at);
      if (read !== undefined) values[field.name] = read;
    }
    return values;
  }

  /** Undefined for what is as if it were not there. */
  #field(field: Field, value: JsonValue, at: string): unknown {
    const { type, isList, isMap } = field;
    if (isList) {
      if (!Array.isArray(value)) return refuse(at, value, 'an array');
      return value.length === 0 ? undefined : value.map((item, i) => this.#value(type, item, `${at}[${i}]`));
    }
    if (isMap) {
      // Without a prototype, so that a key like `__proto__` is a key like any other.
      const map: Values = Object.create(null);
      const entries = entriesOf(value, at);
      for (const [key, item] of entries) map[textOf(key, at)] = this.#value(type, item, `${at}[${quote(key)}]`);
      return entries.length === 0 ? undefined : map;
    }
    const read = this.#value(type, value, at);
    return read === 0 || read === false || read === '' || read === this.#schema.valuesOf(type)?.[0] ? undefined : read;
  }

  #value(type: string, value: JsonValue, at: string): unknown {
    const message = this.#schema.message(type);
    if (message !== undefined) return this.message(message, value, `${at}.`);
    if (type === 'string') return textOf(value, at);
    return scalarOf(this.#schema, type, value) ?? refuse(at, value, describe(this.#schema, type));
  }
}

function entriesOf(value: JsonValue, at: string): [string, JsonValue][] {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return refuse(at, value, 'an object');
  return Object.entries(value);
}

function textOf(value: JsonValue, at: string): string {
  // An escape can make half of a surrogate pair.
  return typeof value === 'string' && value.isWellFormed() ? value : refuse(at, value, 'a string');
}

/** Undefined for what is no value of the type. */
function scalarOf(schema: Schema, type: string, value: JsonValue): unknown {
  const names = schema.valuesOf(type);
  if (names !== undefined) {
    if (typeof value === 'string') return names.includes(value) ? value : undefined;
    const number = readInteger('int32', value);
    return number === undefined ? undefined : (names[number] ?? number);
  }
  if (type === 'bool') return typeof value === 'boolean' ? value : undefined;
  if (type !== 'float' && type !== 'double') return readInteger(type, value);
  const number = NOT_FINITE.get(value) ?? readNumber(value);
  return type === 'float' && Number.isFinite(number) && Math.abs(number as number) > MAX_FLOAT ? undefined : number;
}

function readInteger(type: string, value: JsonValue): number | undefined {
  // Digits are exact also above 2^53, and bounded, as a BigInt of millions of them takes seconds.
  if (typeof value === 'string' && /^[+-]?\d{1,40}$/.test(value)) return integerOf(type, BigInt(value));
  const number = readNumber(value);
  return Number.isInteger(number) ? integerOf(type, BigInt(number as number)) : undefined;
}

function readNumber(value: JsonValue): number | undefined {
  const number = typeof value === 'string' && NUMBER.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined;
}

function byJsonName(message: Message, name: string): Field | undefined {
  for (const field of message.fields.values()) {
    if (field.name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()) === name) return field;
  }
  return undefined;
}

function refuse(at: string, value: JsonValue, expected: string): never {
  const got = quote(JSON.stringify(value));
  throw new ModelRejected(`${at === '' ? '' : `'${at}': `}got ${got}; expected ${expected}`);
}
