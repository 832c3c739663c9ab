import type { Loop } from './compose.ts';
import { isTerminal, type LedgerEntry } from './ledger.ts';

/** What can't be trained on again; the message says why. */
export class NotAgain extends Error {}

/**
 * Has an upload trained on again that was trained on before, or was to be: under the next name, from the same snapshot, as the newest. It
 * takes a slot of the day's budget as any other.
 * @throws NotAgain
 */
export async function rerun(
  { ledger, snapshots, runs }: Pick<Loop, 'ledger' | 'snapshots' | 'runs'>,
  model: string,
  id: string,
  now: Date,
): Promise<LedgerEntry> {
  const found = await ledger.entry(model, id);
  if (found === undefined)
    throw new NotAgain(`'${model}' has no upload ${id} in its ledger; expected one of its history`);
  if (!isTerminal(found.state)) throw new NotAgain(`${id} is ${found.state}; expected one that has ended`);
  if ((await snapshots.manifest(model, id)) === undefined) {
    throw new NotAgain(`${id} was refused before it was copied (${found.reason?.code}); expected a better upload`);
  }
  await runs.note(model, id);
  const { guards, execution } = found;
  const opened = {
    model,
    id,
    guards,
    listed_at: now.toISOString(),
    rerun: found.rerun + (execution === undefined ? 0 : 1),
  };
  const isAsFound = (entry: LedgerEntry): boolean => entry.state === found.state && entry.rerun === found.rerun;
  const { entry, changed } = await ledger.open(opened, 'accepted', now, isAsFound);
  if (!changed) throw new NotAgain(`${id} is ${entry.state} by now; somebody else was faster`);
  await runs.settle(model);
  return (await ledger.entry(model, id)) ?? entry;
}
