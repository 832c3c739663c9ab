import type { Parameters, RequestedOutput } from '../protocol/messages.ts';
import type { Tensor } from '../protocol/tensor.ts';
import { classesOf, largestDifference, shown } from './answer.ts';
import { OutputView, TimeSplit } from './answer-view.ts';
import { ask, hasToken, type Split } from './api.ts';
import { CodeView } from './code-view.ts';
import { ExplainView } from './explain-view.ts';
import { FormInput, type Written } from './form-input.ts';
import { ImageInput } from './image-input.ts';
import type { ModelInfo } from './model-info.ts';
import { layoutOf, pixelsOf } from './picture.ts';
import { h, useMemo, useRef, useState, type VNode } from './preact.ts';
import { milliseconds, Pixels, Problem, useAction } from './shown.ts';
import type { Answered, Asked } from './wire.ts';

type Answer = { readonly answered: Answered; readonly split: Split };
type Try = {
  readonly id: number;
  readonly asked: Asked;
  readonly version: string | undefined;
  readonly answer: Answer;
  /** Of the version that it was compared with. */
  readonly other: Answer | undefined;
};

const MAX_TRIES = 12;
/** Classes that are asked for; a model may have thousands. */
const MAX_CLASSES = 10;

/** Outputs with labels come as their classes, all others as they are. */
function wantedOutputs({ config, metadata }: ModelInfo): readonly RequestedOutput[] | undefined {
  const labelled = new Set((config.output ?? []).filter((output) => output.label_filename).map(({ name }) => name));
  if (labelled.size === 0) return undefined;
  return metadata.outputs.map(({ name, shape }) => {
    const classes = Math.min(MAX_CLASSES, Math.max(1, shape.at(-1) ?? 1));
    const parameters: Parameters = labelled.has(name) ? { classification: classes } : {};
    return { name, parameters };
  });
}

export function TryView({ info, canExplain }: { info: ModelInfo; canExplain: boolean }): VNode {
  const { name, metadata, config, versions, samples } = info;
  const [version, setVersion] = useState<string | undefined>(undefined);
  const [other, setOther] = useState<string | undefined>(undefined);
  const [tries, setTries] = useState<readonly Try[]>([]);
  const [current, setCurrent] = useState<Try | undefined>(undefined);
  const [written, setWritten] = useState<Written | undefined>(undefined);
  const { isBusy, error, run } = useAction();
  const nextId = useRef(0);

  const [input] = metadata.inputs;
  const format = config.input?.find((its) => its.name === input?.name)?.format;
  const layout = useMemo(
    () => (metadata.inputs.length === 1 && input !== undefined ? layoutOf(input, format) : undefined),
    [input, format],
  );
  const outputs = useMemo(() => wantedOutputs(info), [info]);

  const send = (asked: Asked, first = version, second = other): Promise<void> =>
    run(async () => {
      const wanted = { ...asked, ...(asked.outputs === undefined ? { outputs } : {}) };
      // One after the other: side by side they would wait for each other.
      const answer = await ask('infer', name, first, wanted);
      const compared = second === undefined ? undefined : await ask('infer', name, second, wanted);
      const made = { id: nextId.current++, asked: wanted, version: first, answer, other: compared };
      setCurrent(made);
      setTries((before) => [made, ...before].slice(0, MAX_TRIES));
    });
  const onTensor = (tensor: Tensor | undefined): void => {
    if (tensor === undefined) {
      setWritten(undefined);
      return;
    }
    const asked = { inputs: [tensor] };
    setWritten({ asked });
    send(asked);
  };
  const asked = written !== undefined && 'asked' in written ? written.asked : undefined;
  const again = (first: string | undefined, second: string | undefined): void => {
    setVersion(first);
    setOther(second);
    if (current !== undefined) send(current.asked, first, second);
  };

  return h('div', { class: 'try' }, [
    h('div', { class: 'columns' }, [
      h('section', { class: 'card', 'aria-label': 'Input' }, [
        h('div', { class: 'row' }, [
          h('h3', {}, 'Try it'),
          h('span', { class: 'spring' }),
          versionChoice('Version', 'as callers get it', versions, version, (chosen) => again(chosen, other)),
          versions.length > 1
            ? versionChoice('Compare with', 'nothing', versions, other, (chosen) => again(version, chosen))
            : null,
        ]),
        layout !== undefined && input !== undefined
          ? h(ImageInput, { model: name, spec: input, layout, grid: gridOf(info), samples, onTensor })
          : h(FormInput, { inputs: metadata.inputs, onWritten: setWritten }),
        h('div', { class: 'row' }, [
          h(
            'button',
            {
              type: 'button',
              class: 'main',
              disabled: isBusy || asked === undefined,
              onClick: () => asked && send(asked),
            },
            isBusy ? 'Sending…' : 'Send',
          ),
        ]),
      ]),
      h('section', { class: 'card answer', 'aria-label': 'Answer', 'aria-live': 'polite', 'aria-busy': isBusy }, [
        h('h3', {}, 'Answer'),
        h(Problem, { error }),
        current === undefined
          ? error === undefined
            ? h(
                'p',
                { class: 'note' },
                layout === undefined ? 'Fill in the inputs and send them.' : 'Draw something, or choose a sample.',
              )
            : null
          : h(Answers, { made: current }),
        tries.length > 1
          ? h(History, { tries, current, channelsFirst: layout?.channelsFirst, onChoose: setCurrent })
          : null,
      ]),
    ]),
    current !== undefined && canExplain
      ? h(ExplainView, {
          model: name,
          // The one that has answered: chance may choose another one next time.
          version: current.answer.answered.modelVersion,
          asked: current.asked,
          channelsFirst: layout?.channelsFirst,
        })
      : null,
    current !== undefined
      ? h(CodeView, {
          call: {
            origin: location.origin,
            model: name,
            version: current.version,
            asked: current.asked,
            token: hasToken(),
          },
        })
      : null,
  ]);
}

/** The pixels each way of the scans that a model was trained on, where its configuration says so. */
function gridOf({ config }: ModelInfo): number | undefined {
  const grid = Number(config.parameters?.drawing_grid?.string_value);
  return Number.isInteger(grid) && grid >= 2 && grid <= 256 ? grid : undefined;
}

function versionChoice(
  label: string,
  none: string,
  versions: readonly string[],
  chosen: string | undefined,
  onChange: (version: string | undefined) => void,
): VNode {
  const change = (event: Event): void => onChange((event.currentTarget as HTMLSelectElement).value || undefined);
  return h('label', { class: 'inline' }, [
    label,
    h('select', { 'aria-label': label, value: chosen ?? '', onChange: change }, [
      h('option', { value: '' }, none),
      ...versions.map((version) => h('option', { value: version }, version)),
    ]),
  ]);
}

function Answers({ made: { answer, other } }: { made: Try }): VNode {
  if (other === undefined) return h(OneAnswer, { answer });
  const differences = answer.answered.outputs.flatMap((tensor, i) => {
    const theirs = other.answered.outputs[i];
    const difference = theirs === undefined ? undefined : largestDifference(tensor, theirs);
    return difference === undefined ? [] : [`${tensor.name} ${shown(difference)}`];
  });
  return h('div', {}, [
    h('div', { class: 'side-by-side' }, [h(OneAnswer, { answer }), h(OneAnswer, { answer: other })]),
    differences.length > 0 ? h('p', { class: 'note' }, `Largest difference: ${differences.join(', ')}`) : null,
  ]);
}

function OneAnswer({ answer: { answered, split } }: { answer: Answer }): VNode {
  return h('div', { class: 'one-answer' }, [
    h('p', { class: 'note' }, `Version ${answered.modelVersion}`),
    ...answered.outputs.map((tensor) => h(OutputView, { key: tensor.name, tensor })),
    h(TimeSplit, { split }),
  ]);
}

function History({
  tries,
  current,
  channelsFirst,
  onChoose,
}: {
  tries: readonly Try[];
  current: Try | undefined;
  channelsFirst: boolean | undefined;
  onChoose: (made: Try) => void;
}): VNode {
  return h('div', { class: 'history', role: 'group', 'aria-label': 'Earlier tries' }, [
    ...tries.map((made) => {
      const [picture] = made.asked.inputs;
      const { network, queue, compute, other } = made.answer.split;
      return h(
        'button',
        { type: 'button', key: made.id, 'aria-pressed': made === current, onClick: () => onChoose(made) },
        [
          channelsFirst !== undefined && picture !== undefined
            ? h(Pixels, { image: pixelsOf(picture, channelsFirst), label: 'its input', className: 'pixels thumb' })
            : null,
          h('strong', {}, headline(made)),
          h('span', { class: 'note' }, milliseconds(network + queue + compute + other)),
        ],
      );
    }),
  ]);
}

/** The first class, or the first number. */
function headline({ answer }: Try): string {
  const [output] = answer.answered.outputs;
  if (output === undefined) return 'no output';
  const best = classesOf(output)?.toSorted((a, b) => b.value - a.value)[0];
  return best?.label ?? shown(output.data[0] ?? 'empty').slice(0, 12);
}
