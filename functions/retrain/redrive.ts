import type { Loop } from './compose.ts';
import type { LedgerEntry } from './ledger.ts';
import type { FailedRuns, WaitingRun } from './ports.ts';
import { NotAgain, rerun } from './rerun.ts';

/** What became of a run that has waited: its entry as it is now, or why it is not started again. */
export type Redriven = { readonly run: WaitingRun; readonly entry?: LedgerEntry; readonly problem?: string };

/** Has every run started again that failed, from the same snapshots. What was started again in another way is only taken from the list. */
export async function redrive(
  loop: Pick<Loop, 'ledger' | 'snapshots' | 'runs'>,
  failed: FailedRuns,
  model: string | undefined,
  now: () => Date,
): Promise<readonly Redriven[]> {
  const redriven: Redriven[] = [];
  for (const run of await failed.waiting(model)) {
    redriven.push(await again(loop, run, now()));
    await failed.remove(run);
  }
  return redriven;
}

async function again(loop: Pick<Loop, 'ledger' | 'snapshots' | 'runs'>, run: WaitingRun, now: Date): Promise<Redriven> {
  const found = await loop.ledger.entry(run.model, run.id);
  if (found !== undefined && (found.state !== 'failed' || found.execution !== run.execution)) {
    return { run, problem: `${run.id} was started again before, and is ${found.state}` };
  }
  try {
    return { run, entry: await rerun(loop, run.model, run.id, now) };
  } catch (error) {
    if (error instanceof NotAgain) return { run, problem: error.message };
    throw error;
  }
}
