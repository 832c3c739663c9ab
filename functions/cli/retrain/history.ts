import type { LedgerEntry } from '../../retrain/ledger.ts';
import { Failure } from '../failure.ts';
import { table } from '../table.ts';
import { type Looking, openLoop } from './loop.ts';
import { endText } from './status.ts';

/** Every upload of a model with what became of it, from oldest to newest. */
export async function history(model: string, options: Looking): Promise<void> {
  const { loop } = await openLoop(options);
  const entries = await loop.ledger.entries(model);
  if (options.json) {
    console.log(JSON.stringify(entries));
    return;
  }
  if (entries.length === 0) throw new Failure(`'${model}' has no uploads in its ledger`);
  console.log(table(entries.map(asRow)));
}

function asRow(entry: LedgerEntry): { [column: string]: string } {
  const { id, history: events, report, execution = '', reason } = entry;
  return {
    upload: id,
    came: events[0]?.at ?? '',
    changed: events.at(-1)?.at ?? '',
    execution,
    files: report === undefined ? '' : `${report.files}`,
    state: endText(entry),
    why: reason?.text ?? '',
  };
}
