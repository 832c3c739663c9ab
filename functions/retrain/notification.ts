import type { LedgerEntry, TerminalState } from './ledger.ts';

export type Notification = {
  readonly subject: string;
  readonly text: string;
  readonly fields: { readonly [name: string]: string };
};

/** What Amazon SNS takes as a subject. */
const MAX_SUBJECT = 100;

const SENTENCES: { readonly [state in TerminalState]: string } = {
  promoted: 'A better model serves.',
  rejected: 'The upload changed nothing.',
  failed: 'The training did not end as it should; what served before serves on.',
  superseded: 'A newer upload came before this one was trained on; it holds all that is there now.',
  stopped: 'Somebody stopped the training; what served before serves on.',
};

/** What people are told of an upload that has come to its end. */
export function notificationOf({
  model,
  id,
  state,
  reason,
  report,
  version,
  execution,
  history,
}: LedgerEntry): Notification {
  const code = reason === undefined ? '' : ` (${reason.code})`;
  const lines = [
    SENTENCES[state as TerminalState],
    ...(reason === undefined ? [] : ['', `${reason.code}: ${reason.text}`]),
    '',
    `model: ${model}`,
    `upload: ${id}`,
    ...(version === undefined ? [] : [`version: ${version}`]),
    ...(execution === undefined ? [] : [`execution: ${execution}`]),
    ...(report === undefined ? [] : [`data: ${report.files} files, ${classesOf(report.classes)}`]),
    `ended: ${history.at(-1)?.at ?? ''}`,
    '',
    ...(reason === undefined || state === 'promoted' ? [] : [`What to do about it: docs/runbook.md, ${reason.code}`]),
    `The whole story: npm run retrain -- history ${model}`,
  ];
  return {
    subject: `${model}: ${state}${code}`.slice(0, MAX_SUBJECT),
    text: `${lines.join('\n')}\n`,
    fields: { model, id, state, ...(reason === undefined ? {} : { code: reason.code }) },
  };
}

function classesOf(classes: { readonly [name: string]: number }): string {
  const counts = Object.values(classes);
  return `${counts.length} classes of ${Math.min(...counts)} to ${Math.max(...counts)} pictures`;
}
