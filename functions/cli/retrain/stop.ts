import { hostname, userInfo } from 'node:os';
import { isTerminal } from '../../retrain/ledger.ts';
import { Failure } from '../failure.ts';
import { type Looking, openLoop } from './loop.ts';
import { endText } from './status.ts';

/** Ends what a model is trained with. What waits begins. */
export async function stop(model: string, options: Looking): Promise<void> {
  const { loop, stopper } = await openLoop(options);
  const { running } = await loop.queue.state(model);
  const entry = running && (await loop.ledger.entry(model, running.id));
  if (entry === undefined || entry.execution === undefined || isTerminal(entry.state)) {
    throw new Failure(`'${model}' is not trained now`);
  }
  const { id, execution } = entry;
  const text = `${userInfo().username}@${hostname()} stopped it`;
  await stopper.stop(model, execution, text);
  const ended = await loop.conclude.end({ model, id, execution, state: 'stopped', reason: { code: 'stopped', text } });
  if (options.json) console.log(JSON.stringify(ended));
  else if (ended !== undefined) console.log(`${model}: upload ${id} is ${endText(ended)}`);
}
