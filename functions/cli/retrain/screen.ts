import type { Progress, Show } from '../../retrain/local/progress.ts';
import { table } from '../table.ts';

/** Shows what happens to people. */
export const forPeople: Show = (progress) => {
  const text = textOf(progress);
  if (text !== undefined) console.log(text);
};

/** Shows what happens to programs, as a line of JSON each. */
export const forPrograms: Show = (progress) => console.log(JSON.stringify(progress));

/** Undefined for what is nothing new to people. */
function textOf(progress: Progress): string | undefined {
  switch (progress.event) {
    case 'watching':
      return (
        `watching ${progress.datasets} for the models of ${progress.repository}\n` +
        'drop pictures into <model>/<class>/ there; Ctrl+C ends this'
      );
    case 'considered':
      return consideredText(progress);
    case 'started': {
      const { model, execution, step } = progress;
      return step === 'train' ? `${model}: training on upload ${execution}` : `${model}: ${execution} goes on: ${step}`;
    }
    case 'training':
      return `${progress.model}: ${progress.line}`;
    case 'judged':
      return `${progress.model}: ${progress.decision.outcome}\n\n${gatesTable(progress.decision.gates)}`;
    case 'compiled':
      return `${progress.model}: ${progress.text}`;
    case 'notified':
      return outcomeText(progress.text);
    case 'problem':
      return `retrain: ${progress.text}; it is tried again`;
  }
}

function consideredText(found: Extract<Progress, { event: 'considered' }>): string | undefined {
  const { model } = found;
  if (found.outcome === 'not-quiet') {
    return `${model}: files come; they are looked at when none has come for a while, in ${found.seconds} s at the earliest`;
  }
  if (found.outcome === 'accepted') return `${model}: upload ${found.id} is good to train on, and ${found.state}`;
  return undefined;
}

export function gatesTable(gates: readonly { name: string; passed: boolean; text: string }[]): string {
  return table(gates.map(({ name, passed, text }) => ({ gate: name, passed: passed ? 'yes' : 'no', why: text })));
}

/** What people are told of the end of an upload, set off from what is around it. */
export function outcomeText(text: string): string {
  return `\n${text.trimEnd()}\n`;
}
