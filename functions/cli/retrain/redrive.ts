import { redrive as redriven } from '../../retrain/redrive.ts';
import { type Looking, openLoop } from './loop.ts';
import { tell } from './start.ts';

/** Starts runs again that failed, of one model or of all. */
export async function redrive(model: string | undefined, options: Looking): Promise<void> {
  const opened = await openLoop(options);
  const { loop, failed, outside } = opened;
  const found = await redriven(loop, failed, model, outside.now);
  for (const { run, problem } of found) if (problem !== undefined) console.error(`${run.model}: ${problem}`);
  if (found.length === 0 && !options.json) console.log('no run waits to be started again');
  // Of several of one model those after it may have changed what it is.
  const now = await Promise.all(
    found.flatMap(({ run, entry }) => (entry === undefined ? [] : [loop.ledger.entry(run.model, run.id)])),
  );
  await tell(
    opened,
    now.filter((entry) => entry !== undefined),
    options,
  );
}
