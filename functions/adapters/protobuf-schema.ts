/** By the name of a message its fields, or by the name of an enum its values, separated by spaces. */
export type Lines = { readonly [type: string]: string };

export type Field = {
  readonly name: string;
  /** Of a value: a scalar's, or the name of a message or an enum. */
  readonly type: string;
  readonly isList: boolean;
  readonly isMap: boolean;
};

export type Message = { readonly name: string; readonly fields: ReadonlyMap<string, Field> };

/** What a reader makes of a message: only the fields that are set, lists and maps only where they hold something. */
export type Values = { [field: string]: unknown };

const INTEGERS: { readonly [type: string]: readonly [least: bigint, greatest: bigint] } = {
  int32: [-0x80000000n, 0x7fffffffn],
  uint32: [0n, 0xffffffffn],
  int64: [-0x8000000000000000n, 0x7fffffffffffffffn],
  uint64: [0n, 0xffffffffffffffffn],
};

/** The types of messages, as far as text and JSON need them: without the fields' numbers. */
export class Schema {
  readonly messages: Lines;
  readonly enums: Lines;
  readonly #root: string;
  readonly #known = new Map<string, Message>();

  /**
   * @param root the message that is read; no message may be within itself, so that this bounds how deep a text can go
   * @param messages `name:type` of each field, with `*` after it for a list, and `{}` for a map from strings to strings or
   *   messages
   * @param enums the names of the values, which are numbered from 0
   */
  constructor(root: string, messages: Lines, enums: Lines) {
    this.#root = root;
    this.messages = messages;
    this.enums = enums;
  }

  root(): Message {
    return this.message(this.#root) as Message;
  }

  /** Undefined for a type that is no message. Its line is parsed when it is first asked for: a start reads few of them. */
  message(type: string): Message | undefined {
    const line = this.messages[type];
    if (line === undefined) return undefined;
    let message = this.#known.get(type);
    if (message === undefined) {
      message = { name: type, fields: fieldsOf(line) };
      this.#known.set(type, message);
    }
    return message;
  }

  /** The names of an enum's values by their numbers; undefined for a type that is no enum. */
  valuesOf(type: string): readonly string[] | undefined {
    return this.enums[type]?.split(' ');
  }
}

function fieldsOf(line: string): ReadonlyMap<string, Field> {
  const fields = new Map<string, Field>();
  for (const entry of line.split(' ')) {
    const [, name = '', type = '', mark] = /^(\w+):(\w+)(\*|\{\})?$/.exec(entry) ?? [];
    if (name !== '') fields.set(name, { name, type, isList: mark === '*', isMap: mark === '{}' });
  }
  return fields;
}

/** A map is a list of such messages. */
export function entryOf({ name, type }: Field): Message {
  const single = { isList: false, isMap: false };
  const fields = [
    { name: 'key', type: 'string', ...single },
    { name: 'value', type, ...single },
  ];
  return { name: `an entry of '${name}'`, fields: new Map(fields.map((field) => [field.name, field])) };
}

/** The integer as a number, rounded above 2^53, where no dimension, version or delay is; undefined if it is not of the type. */
export function integerOf(type: string, value: bigint): number | undefined {
  const [least, greatest] = INTEGERS[type] as readonly [bigint, bigint];
  return value < least || value > greatest ? undefined : Number(value);
}

/** What an error says is expected for a field of the type. */
export function describe(schema: Schema, type: string): string {
  const values = schema.valuesOf(type);
  if (values !== undefined) return `one of ${values.join(', ')}`;
  if (type in INTEGERS) return `an integer from ${INTEGERS[type]?.join(' to ')}`;
  return { bool: 'true or false', string: 'a string in quotes' }[type] ?? 'a number';
}
