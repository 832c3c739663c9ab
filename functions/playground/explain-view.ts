import type { Parameters } from '../protocol/messages.ts';
import type { Tensor } from '../protocol/tensor.ts';
import { shown } from './answer.ts';
import { OutputView } from './answer-view.ts';
import { ask } from './api.ts';
import { heatOf, heatPixels } from './heat.ts';
import { pixelsOf } from './picture.ts';
import { h, useEffect, useState, type VNode } from './preact.ts';
import { Pixels, Problem, useAction } from './shown.ts';
import type { Asked } from './wire.ts';

type Explained = { readonly outputs: readonly Tensor[]; readonly parameters: Parameters };

const FACTS = ['method', 'target', 'target_label', 'value', 'base_value', 'evaluations'];

/** Why this answer: which parts of the input speak for it, as a heat map where the input is a picture. */
export function ExplainView({
  model,
  version,
  asked,
  channelsFirst,
}: {
  model: string;
  version: string | undefined;
  asked: Asked;
  /** Undefined: the input is no picture. */
  channelsFirst: boolean | undefined;
}): VNode {
  const [method, setMethod] = useState('');
  const [explained, setExplained] = useState<Explained | undefined>(undefined);
  const { isBusy, error, run } = useAction();
  useEffect(() => setExplained(undefined), [asked]);
  const explain = (): Promise<void> =>
    run(async () => {
      const parameters: Parameters = method === '' ? {} : { method };
      const { answered } = await ask('explain', model, version, { inputs: asked.inputs, parameters });
      setExplained(answered);
    });
  return h('section', { class: 'card explain', 'aria-label': 'Explanation' }, [
    h('div', { class: 'row' }, [
      h('h3', {}, 'Why this answer?'),
      h('span', { class: 'spring' }),
      h(
        'select',
        {
          'aria-label': 'Method',
          value: method,
          onChange: (event: Event) => setMethod((event.currentTarget as HTMLSelectElement).value),
        },
        [
          h('option', { value: '' }, 'Default method'),
          h('option', { value: 'occlusion' }, 'Occlusion'),
          h('option', { value: 'kernel_shap' }, 'Kernel SHAP'),
        ],
      ),
      h('button', { type: 'button', disabled: isBusy, onClick: explain }, isBusy ? 'Explaining…' : 'Explain'),
    ]),
    h(Problem, { error }),
    explained === undefined
      ? h('p', { class: 'note' }, 'Parts of the input are hidden from the model, and its answer is watched.')
      : h(Explanation, { explained, inputs: asked.inputs, channelsFirst }),
  ]);
}

function Explanation({
  explained: { outputs, parameters },
  inputs,
  channelsFirst,
}: {
  explained: Explained;
  inputs: readonly Tensor[];
  channelsFirst: boolean | undefined;
}): VNode {
  // Of occlusion the sum means nothing.
  const names = parameters.method === 'kernel_shap' ? [...FACTS, 'completeness'] : FACTS;
  const facts = names
    .filter((name) => parameters[name] !== undefined)
    .map((name) => [name.replaceAll('_', ' '), shown(parameters[name])] as const);
  const [attribution] = outputs;
  const [input] = inputs;
  const isPicture = channelsFirst !== undefined && attribution !== undefined && input !== undefined;
  return h('div', { class: 'explanation', 'aria-live': 'polite' }, [
    parameters.partial === true
      ? h('p', { class: 'problem' }, 'The deadline has ended this: it is made of the evaluations until then.')
      : null,
    isPicture ? h(HeatMap, { attribution, input, channelsFirst }) : outputs.map((tensor) => h(OutputView, { tensor })),
    h(
      'dl',
      { class: 'facts' },
      facts.map(([name, value]) => h('div', {}, [h('dt', {}, name), h('dd', {}, value)])),
    ),
  ]);
}

function HeatMap({
  attribution,
  input,
  channelsFirst,
}: {
  attribution: Tensor;
  input: Tensor;
  channelsFirst: boolean;
}): VNode {
  const heat = heatOf(attribution, channelsFirst);
  const image = { data: heatPixels(heat), width: heat.columns, height: heat.rows };
  return h('figure', { class: 'heat' }, [
    h('div', { class: 'layers' }, [
      h(Pixels, {
        image,
        label: 'Heat map: orange speaks for the answer, blue against it',
        className: 'pixels heat-map',
      }),
      h(Pixels, {
        image: pixelsOf(input, channelsFirst),
        label: 'The input, over the heat map',
        className: 'pixels over',
      }),
    ]),
    h('figcaption', {}, [
      h('span', { class: 'dot for', 'aria-hidden': 'true' }),
      'speaks for it  ',
      h('span', { class: 'dot against', 'aria-hidden': 'true' }),
      'speaks against it',
    ]),
  ]);
}
