import type { Datatype } from '../protocol/datatypes.ts';
import type { TensorMetadata } from '../protocol/messages.ts';
import { elementCount } from '../protocol/tensor.ts';
import { h, useEffect, useState, type VNode } from './preact.ts';
import { Problem } from './shown.ts';
import { firstText, randomText, readRequest, typedTensors } from './values.ts';
import type { Asked } from './wire.ts';

/** A field for each element up to so many, a text for more. */
const MAX_FIELDS = 24;
const MAX_FILLED = 20_000;

type Field = { readonly spec: TensorMetadata; readonly dims: readonly string[]; readonly text: string };

/** What a person has written, or the sentence that says what is wrong with it. */
export type Written = { readonly asked: Asked } | { readonly problem: Error };

function firstField(spec: TensorMetadata): Field {
  const dims = spec.shape.map((dim) => (dim === -1 ? '1' : String(dim)));
  const shape = dims.map(Number);
  return { spec, dims, text: elementCount(shape) > MAX_FILLED ? '' : firstText(spec.datatype, shape) };
}

function read(fields: readonly Field[], json: string | undefined): Written {
  try {
    if (json !== undefined) {
      const { inputs, outputs, parameters } = readRequest(json);
      return { asked: { inputs, outputs, parameters } };
    }
    const typed = fields.map(({ spec: { name, datatype }, dims, text }) => {
      return { name, datatype, shape: dims.map(Number), text };
    });
    return { asked: { inputs: typedTensors(typed) } };
  } catch (error) {
    return { problem: error as Error };
  }
}

/** Inputs of any datatype and shape: fields for each, or a pasted request. */
export function FormInput({
  inputs,
  onWritten,
}: {
  inputs: readonly TensorMetadata[];
  onWritten: (written: Written) => void;
}): VNode {
  const [fields, setFields] = useState(() => inputs.map(firstField));
  const [json, setJson] = useState<string | undefined>(undefined);
  const written = read(fields, json);
  // What stands there at first can be sent, too.
  useEffect(() => onWritten(written), []);

  const change = (next: readonly Field[], text?: string): void => {
    setFields([...next]);
    setJson(text);
    onWritten(read(next, text));
  };
  const replace = (index: number, field: Field): void => change(fields.with(index, field));
  const pasted = (): string => {
    const empty = inputs.map(({ name, datatype, shape }) => ({
      name,
      datatype,
      shape: shape.map((dim) => Math.abs(dim)),
      data: [],
    }));
    return 'asked' in written
      ? `{"inputs":[${written.asked.inputs
          .map((tensor, i) =>
            JSON.stringify({ ...tensor, data: undefined }).replace(/\}$/, `,"data":[${jsonElements(fields[i])}]}`),
          )
          .join(',\n')}]}`
      : JSON.stringify({ inputs: empty }, null, 1);
  };

  return h('div', { class: 'form-input' }, [
    h('div', { class: 'row', role: 'group', 'aria-label': 'How to give the inputs' }, [
      h(
        'button',
        { type: 'button', class: 'tab', 'aria-pressed': json === undefined, onClick: () => change(fields) },
        'Form',
      ),
      h(
        'button',
        {
          type: 'button',
          class: 'tab',
          'aria-pressed': json !== undefined,
          onClick: () => change(fields, json ?? pasted()),
        },
        'JSON',
      ),
    ]),
    json === undefined
      ? fields.map((field, i) =>
          h(InputField, { key: field.spec.name, field, onChange: (next: Field) => replace(i, next) }),
        )
      : h('label', { class: 'stack' }, [
          'A request of the Open Inference Protocol',
          h('textarea', {
            rows: 10,
            spellcheck: false,
            value: json,
            onInput: (event: Event) => change(fields, (event.currentTarget as HTMLTextAreaElement).value),
          }),
        ]),
    'problem' in written ? h(Problem, { error: written.problem }) : null,
  ]);
}

function jsonElements(field: Field | undefined): string {
  if (field === undefined) return '';
  if (field.spec.datatype === 'BYTES')
    return field.text
      .split('\n')
      .map((line) => JSON.stringify(line))
      .join(',');
  return field.text.replace(/^\s*\[|\]\s*$/g, '');
}

function InputField({ field, onChange }: { field: Field; onChange: (field: Field) => void }): VNode {
  const { spec, dims, text } = field;
  const { name, datatype, shape } = spec;
  const sizes = dims.map(Number);
  const count = elementCount(sizes);
  const hasFields = count > 0 && count <= MAX_FIELDS && !text.trim().startsWith('[');
  const fill = (make: typeof firstText): void => onChange({ ...field, text: make(datatype, sizes) });
  return h('fieldset', {}, [
    h('legend', {}, [name, h('span', { class: 'note' }, ` ${datatype}`)]),
    h('div', { class: 'row' }, [
      shape.length === 0 ? h('span', { class: 'note' }, 'one value') : h('span', { class: 'note' }, 'Shape'),
      ...dims.map((dim, i) =>
        shape[i] === -1
          ? h('input', {
              key: i,
              type: 'number',
              min: 0,
              class: 'dim',
              value: dim,
              'aria-label': `${name}: size of dimension ${i + 1}`,
              onInput: (event: Event) => {
                const next = dims.with(i, (event.currentTarget as HTMLInputElement).value);
                const resized = elementCount(next.map(Number));
                onChange({
                  ...field,
                  dims: next,
                  text: resized > MAX_FILLED ? '' : firstText(datatype, next.map(Number)),
                });
              },
            })
          : h('span', { class: 'dim fixed', key: i }, dim),
      ),
      h('button', { type: 'button', class: 'quiet', onClick: () => fill(firstText) }, 'Reset'),
      h('button', { type: 'button', class: 'quiet', onClick: () => fill(randomText) }, 'Random'),
    ]),
    hasFields
      ? h(Elements, { name, datatype, count, text, onChange: (next: string) => onChange({ ...field, text: next }) })
      : h('textarea', {
          rows: Math.min(8, Math.max(2, Math.ceil(count / 12))),
          spellcheck: false,
          value: text,
          'aria-label': `${name}: ${count} elements`,
          placeholder: `${count} elements: ${datatype === 'BYTES' ? 'one a line' : 'with commas or spaces between them'}, or a JSON array`,
          onInput: (event: Event) => onChange({ ...field, text: (event.currentTarget as HTMLTextAreaElement).value }),
        }),
  ]);
}

/** A field for each element: a box for a truth, a line for a text or a number. */
function Elements({
  name,
  datatype,
  count,
  text,
  onChange,
}: {
  name: string;
  datatype: Datatype;
  count: number;
  text: string;
  onChange: (text: string) => void;
}): VNode {
  const separator = datatype === 'BYTES' ? '\n' : ', ';
  const parts = datatype === 'BYTES' ? text.split('\n') : text.split(/\s*,\s*/);
  const elements = Array.from({ length: count }, (_, i) => parts[i] ?? '');
  const set = (i: number, value: string): void => onChange(elements.with(i, value).join(separator));
  return h(
    'div',
    { class: datatype === 'BYTES' ? 'elements wide' : 'elements' },
    elements.map((element, i) => {
      const label = `${name}, element ${i + 1}`;
      if (datatype === 'BOOL') {
        return h('input', {
          key: i,
          type: 'checkbox',
          checked: element === 'true',
          'aria-label': label,
          onChange: (event: Event) => set(i, String((event.currentTarget as HTMLInputElement).checked)),
        });
      }
      return h('input', {
        key: i,
        type: 'text',
        inputMode: datatype === 'BYTES' ? 'text' : 'decimal',
        value: element,
        'aria-label': label,
        onInput: (event: Event) => {
          const value = (event.currentTarget as HTMLInputElement).value;
          // A comma or a line would make two elements of one.
          set(i, datatype === 'BYTES' ? value.replaceAll('\n', ' ') : value.replaceAll(',', '.'));
        },
      });
    }),
  );
}
