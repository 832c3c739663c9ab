// `npm run retrain -- COMMAND`: what retraining has done; `--help` explains.

import { commandOf, programOf, run } from './program.ts';
import { explain } from './retrain/explain.ts';

const program = programOf('retrain', 'Tells what the retraining of models has done.');

commandOf(
  program,
  'explain <model> [version]',
  'what a version was made from, and why it serves or not (default: the live one)',
).action(explain);

await run('retrain', program);
