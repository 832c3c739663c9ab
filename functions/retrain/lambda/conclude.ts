// The Lambda function that writes down how an execution has ended: its last step, and the last net below all of them.

import { endedFrom, endedOf } from '../conclusion.ts';
import type { State } from '../ledger.ts';
import type { ConcludedRun, ExecutionEnded } from '../workflow.ts';
import { loop } from './loop.ts';

/** What of the ledger the execution keeps in its history. */
export type Concluded = { readonly model: string; readonly id: string; readonly state?: State };

export async function handler(event: ConcludedRun | ExecutionEnded): Promise<Concluded> {
  const ended = 'detail' in event ? endedFrom(event) : endedOf(event);
  const entry = await loop().conclude.end(ended);
  const { model, id } = ended;
  console.log(JSON.stringify({ level: 30, msg: 'concluded', ...ended, found: entry?.state }));
  return { model, id, ...(entry === undefined ? {} : { state: entry.state }) };
}
