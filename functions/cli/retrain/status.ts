import { isTerminal, type LedgerEntry } from '../../retrain/ledger.ts';
import { type Status, statusOf } from '../../retrain/status.ts';
import { table } from '../table.ts';
import { type Looking, openLoop } from './loop.ts';

/** How the loop stands: with one model, or with all. */
export async function status(wanted: string | undefined, options: Looking): Promise<void> {
  const { loop, outside, models } = await openLoop(options);
  const found: Status[] = [];
  for (const model of wanted === undefined ? await models() : [wanted]) {
    found.push(await statusOf(loop, outside.models, model, outside.now()));
  }
  if (options.json) console.log(JSON.stringify(found));
  else console.log(found.length > 0 ? table(found.map(asRow)) : 'no models');
}

function asRow({ model, live = 'none', running, pending, last, jobs }: Status): { [column: string]: string } {
  return {
    model,
    live,
    running: running === undefined ? '' : `${running.id}, since ${running.history.at(-1)?.at}`,
    pending: pending?.id ?? '',
    'last upload': last === undefined ? '' : `${last.id}: ${endText(last)}`,
    'jobs today': jobs === undefined ? 'not trained here' : `${jobs.started} of ${jobs.allowed}`,
  };
}

/** How an upload stands, in a few words: `rejected (worse-than-live)`. */
export function endText({ state, reason, version }: LedgerEntry): string {
  const made = version === undefined ? '' : ` as version ${version}`;
  return `${state}${isTerminal(state) ? made : ''}${reason === undefined ? '' : ` (${reason.code})`}`;
}
