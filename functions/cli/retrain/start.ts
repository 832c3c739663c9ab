import type { LedgerEntry } from '../../retrain/ledger.ts';
import { rerun } from '../../retrain/rerun.ts';
import { Failure, Misuse } from '../failure.ts';
import { type Looking, type Opened, openLoop } from './loop.ts';
import { endText } from './status.ts';

const ID = /^[0-9a-f]{16}$/;

/** Trains a model on its data as they are now, without waiting for more files; or on an upload of its history, once more. */
export async function start(model: string, upload: string | undefined, options: Looking): Promise<void> {
  if (upload !== undefined && !ID.test(upload)) {
    throw new Misuse(`upload is '${upload}'; expected 16 hexadecimal digits, as history shows them`);
  }
  const opened = await openLoop(options, { quietSeconds: 0 });
  const entry = upload === undefined ? await startNew(opened, model) : await startAgain(opened, model, upload);
  await tell(opened, [entry], options);
}

async function startNew({ loop }: Opened, model: string): Promise<LedgerEntry> {
  const found = await loop.gatekeeper.consider(model);
  switch (found.outcome) {
    case 'empty':
      throw new Failure(`'${model}' has no data; expected files <class>/<file>.png or .jpg`);
    case 'changed':
    case 'not-quiet':
      throw new Failure(`the data of '${model}' change just now; expected a whole upload`);
    case 'rejected':
      throw new Failure(`${found.code}: ${found.text}`);
    case 'same-content':
      throw new Failure(
        `the data of '${model}' are those of upload ${found.id}, which is ${found.state}; ` +
          `npm run retrain -- start ${model} ${found.id} trains on them again`,
      );
    case 'accepted':
      return entryOf(loop, model, found.id);
  }
}

async function startAgain({ loop, outside }: Opened, model: string, id: string): Promise<LedgerEntry> {
  await rerun(loop, model, id, outside.now());
  return entryOf(loop, model, id);
}

async function entryOf(loop: Opened['loop'], model: string, id: string): Promise<LedgerEntry> {
  const entry = await loop.ledger.entry(model, id);
  if (entry === undefined) throw new Failure(`${id} of '${model}' is gone from the ledger`);
  return entry;
}

/** Says how uploads stand that were started. @throws Failure where one was refused */
export async function tell({ hint }: Opened, entries: readonly LedgerEntry[], options: Looking): Promise<void> {
  if (options.json) console.log(JSON.stringify(entries));
  else for (const entry of entries) console.log(`${entry.model}: upload ${entry.id} is ${endText(entry)}`);
  const refused = entries.find(({ state }) => state === 'rejected');
  if (refused !== undefined) throw new Failure(`${refused.reason?.code}: ${refused.reason?.text}`);
  const toDo = entries.length > 0 ? await hint() : undefined;
  if (toDo !== undefined && !options.json) console.log(toDo);
}
