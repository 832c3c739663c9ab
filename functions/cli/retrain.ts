// `npm run retrain -- COMMAND`: the loop that retrains models, on this machine and on AWS; `--help` explains.

import { type Command, commandOf, programOf, run } from './program.ts';
import { explain } from './retrain/explain.ts';
import { history } from './retrain/history.ts';
import { redrive } from './retrain/redrive.ts';
import { start } from './retrain/start.ts';
import { status } from './retrain/status.ts';
import { stop } from './retrain/stop.ts';
import { watch } from './retrain/watch.ts';

const program = programOf('retrain', 'Retrains models when pictures are uploaded, and tells what it has done.');

/** A command about the loop of a folder, or of a deployment. */
function ofLoop(usage: string, description: string): Command {
  return commandOf(program, usage, description)
    .option('--datasets <folder>', 'pictures, <model>/<class>/<file>.png or .jpg (default: datasets)')
    .option('--work <folder>', 'what the loop keeps (default: .retrain)');
}

ofLoop('watch', 'retrain on this machine whenever pictures are dropped into the folder of data')
  .option('--quiet-seconds <n>', "files are taken when none has come for so long (default: training.json's)")
  .action(watch);
ofLoop('status [model]', 'what is live, what is trained and what waits').action(status);
ofLoop('history <model>', 'every upload, with what became of it').action(history);
ofLoop('start <model> [upload]', 'train on the data as they are now; or on an upload of the history, once more').action(
  start,
);
ofLoop('stop <model>', 'end what is trained; what waits begins').action(stop);
ofLoop('redrive [model]', 'start runs again that failed').action(redrive);
commandOf(
  program,
  'explain <model> [version]',
  'what a version was made from, and why it serves or not (default: the live one)',
).action(explain);

await run('retrain', program);
