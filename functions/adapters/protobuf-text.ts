import { quote } from '../protocol/names.ts';
import { describe, entryOf, type Field, integerOf, type Message, type Schema, type Values } from './protobuf-schema.ts';
import { joinParts, partsOf, type StringPart } from './protobuf-string.ts';
import { Tokens } from './protobuf-tokens.ts';

/** Bounded, as a BigInt of millions of digits takes seconds. */
const INTEGER = /^(?:0[xX][\da-fA-F]{1,40}|0[0-7]{1,40}|0|[1-9]\d{0,40})$/;
const FLOAT = /^(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?[fF]?$/;

/**
 * Reads a message in protobuf's text format. Unknown fields, extensions, and a single value that is there twice are refused.
 * Values of enums are given by name, where their number has one.
 * https://protobuf.dev/reference/protobuf/textformat-spec/
 * @throws ModelRejected that says where the text is wrong, what was got, and what is expected
 */
export function readText(schema: Schema, text: string): Values {
  return new Reader(schema, new Tokens(text)).message(schema.root());
}

class Reader {
  readonly #schema: Schema;
  readonly #tokens: Tokens;

  constructor(schema: Schema, tokens: Tokens) {
    this.#schema = schema;
    this.#tokens = tokens;
  }

  /** @param end its closing bracket; without one it goes on to the end of the text */
  message(message: Message, end?: string): Values {
    const tokens = this.#tokens;
    const values: Values = {};
    while (end === undefined ? tokens.kind !== 'end' : !tokens.take(end)) {
      if (tokens.kind !== 'word')
        tokens.expected(`a field of ${message.name}, or ${end === undefined ? 'the end of the text' : quote(end)}`);
      this.#field(message, values);
      if (!tokens.take(',')) tokens.take(';');
    }
    return values;
  }

  #field(message: Message, values: Values): void {
    const tokens = this.#tokens;
    const field = message.fields.get(tokens.raw);
    if (field === undefined) {
      const names = Array.from(message.fields.keys()).join(', ') || 'none';
      throw tokens.fail(`unknown field ${quote(tokens.raw)} of ${message.name}; expected one of ${names}`);
    }
    const isOne = !field.isList && !field.isMap;
    if (isOne && Object.hasOwn(values, field.name)) tokens.fail(`'${field.name}' is there twice; expected it once`);
    tokens.next();
    const submessage = field.isMap ? entryOf(field) : this.#schema.message(field.type);
    if (!tokens.take(':') && submessage === undefined) tokens.expected(`':' and the value of '${field.name}'`);
    const put = (): void => {
      const value = submessage === undefined ? this.#scalar(field) : this.#submessage(field, submessage);
      putValue(this.#schema, values, field, value);
    };
    if (isOne || !tokens.take('[')) put();
    else if (!tokens.take(']')) {
      do put();
      while (tokens.take(','));
      if (!tokens.take(']')) tokens.expected(`',' or ']' in the list of '${field.name}'`);
    }
  }

  #submessage(field: Field, message: Message): Values {
    if (this.#tokens.take('{')) return this.message(message, '}');
    if (this.#tokens.take('<')) return this.message(message, '>');
    return this.#tokens.expected(`'{' and the fields of '${field.name}'`);
  }

  #scalar({ name, type }: Field): unknown {
    const tokens = this.#tokens;
    if (type === 'string') return this.#string(name);
    const sign = tokens.take('-') ? '-' : '';
    const value = scalarOf(this.#schema, type, sign, tokens.raw);
    if (value === undefined) tokens.expected(`${describe(this.#schema, type)} for '${name}'`, sign);
    tokens.next();
    return value;
  }

  /** Literals that follow one another are one string. */
  #string(name: string): string {
    const tokens = this.#tokens;
    if (tokens.kind !== 'string') tokens.expected(`a string in quotes for '${name}'`);
    const { start } = tokens;
    const parts: StringPart[][] = [];
    for (; tokens.kind === 'string'; tokens.next()) {
      parts.push(partsOf(tokens.raw, (sentence, offset) => tokens.fail(sentence, tokens.start + offset)));
    }
    return joinParts(parts.flat()) ?? tokens.fail(`the escapes of '${name}' make no characters; expected UTF-8`, start);
  }
}

function putValue(schema: Schema, values: Values, { name, type, isList, isMap }: Field, value: unknown): void {
  if (isList) {
    values[name] ??= [];
    (values[name] as unknown[]).push(value);
  } else if (isMap) {
    // Without a prototype, so that a key like `__proto__` is a key like any other.
    values[name] ??= Object.create(null);
    const entry = value as { key?: string; value?: unknown };
    (values[name] as Values)[entry.key ?? ''] = entry.value ?? (schema.message(type) === undefined ? '' : {});
  } else {
    values[name] = value;
  }
}

/** Undefined for what is no value of the type. */
function scalarOf(schema: Schema, type: string, sign: '' | '-', raw: string): unknown {
  const names = schema.valuesOf(type);
  if (names !== undefined) {
    if (sign === '' && names.includes(raw)) return raw;
    const number = readInteger('int32', sign, raw);
    return number === undefined ? undefined : (names[number] ?? number);
  }
  switch (type) {
    case 'bool':
      if (sign !== '') return undefined;
      if (/^(?:[Tt]rue|t)$/.test(raw)) return true;
      if (/^(?:[Ff]alse|f)$/.test(raw)) return false;
      return [false, true][readInteger('uint32', sign, raw) ?? -1];
    case 'float':
    case 'double':
      return readFloat(sign, raw);
    default:
      return readInteger(type, sign, raw);
  }
}

function readInteger(type: string, sign: '' | '-', raw: string): number | undefined {
  // An unsigned integer has no sign, not even that of -0.
  if (!INTEGER.test(raw) || (sign !== '' && type.startsWith('u'))) return undefined;
  const isOctal = raw.length > 1 && raw[0] === '0' && raw[1]?.toLowerCase() !== 'x';
  const value = BigInt(isOctal ? `0o${raw}` : raw);
  return integerOf(type, sign === '' ? value : -value);
}

function readFloat(sign: '' | '-', raw: string): number | undefined {
  if (/^nan$/i.test(raw)) return Number.NaN;
  const isInfinite = /^inf(?:inity)?$/i.test(raw);
  if (!isInfinite && !FLOAT.test(raw)) return undefined;
  return Number(`${sign}${isInfinite ? 'Infinity' : raw.replace(/f$/i, '')}`);
}
