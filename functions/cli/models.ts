// `npm run models -- COMMAND`: what a model repository holds, and what is live there; `--help` explains.

import { compare } from './models/compare.ts';
import { pull, push } from './models/copy.ts';
import { inspect } from './models/inspect.ts';
import { list } from './models/list.ts';
import { publish } from './models/publish.ts';
import { quantize } from './models/quantize.ts';
import { canary, pin, promote, rollback, unpin } from './models/release.ts';
import { tune } from './models/tune.ts';
import { verify } from './models/verify.ts';
import { type Command, commandOf, Option, programOf, run } from './program.ts';

const program = programOf('models', 'Manages the models of a repository: a folder, or a bucket.');
const command = (usage: string, description: string): Command => commandOf(program, usage, description);

/** A command that changes what is live. */
function change(usage: string, description: string): Command {
  return command(usage, description)
    .option('--by <name>', 'who changes it, for the history (default: user@host)')
    .option('--reason <text>', 'why, for the history')
    .option('--if-live <version>', 'refuse where another version is live by now');
}

command('list', 'all models with their live version, canary and last change').action(list);
command('inspect <model> [version]', "a version's inputs, outputs and size, and the model's history").action(inspect);
command('publish <file>', 'add an ONNX file as a version, checked in ONNX Runtime; it is not live yet')
  .requiredOption('--as <model>', 'name of the model')
  .option('--version <number>', 'number of the version (default: the next one)')
  .option('--config <file>', "the model's config.pbtxt, with its first version")
  .option('--labels <file>', "the model's label file, with its first version")
  .option('--golden <file>', 'a request with its answer: {"request": …, "response": …} (default: a made-up one)')
  .option('--metrics <file>', 'what was measured, as JSON')
  .option('--lineage <file>', 'what it was made from, as JSON')
  .option('--promote', 'make it live')
  .option('--by <name>', 'who publishes it, for the history (default: user@host)')
  .option('--reason <text>', 'why, for the history')
  .action(publish);
change('promote <model> <version>', 'make a version live').action(promote);
change('canary <model> <version>', 'give a version a part of the requests')
  .addOption(new Option('--weight <part>', 'part of the requests, above 0 and below 1').default('0.1'))
  .action(canary);
change('rollback <model>', 'end the canary; without one, make live what was live before')
  .option('--to <version>', 'make this version live')
  .option('--pin', 'and pin it')
  .action(rollback);
change('pin <model>', 'keep the live version live: nothing is promoted until unpin').action(pin);
change('unpin <model>', 'let versions be promoted again').action(unpin);
command('verify [models...]', 'read every file again, and hold it against its published sha256').action(verify);
command(
  'compare <versions...>',
  'accuracy, speed, size and cost of MODEL or MODEL/VERSION, side by side on the same pictures',
)
  .requiredOption('--data <folder>', 'held-out pictures, <class>/<file>.png or .jpg; or a .tar of them')
  .option('--memory <megabytes>', 'of the Lambda function whose cost is told', '1769')
  .action(compare);
command(
  'quantize <model> [version]',
  'an int8 version of a float one (default: the live one), beside it; it is not live yet',
)
  .option('--static', 'publish the one whose ranges are taken from pictures beforehand: for convolutional networks')
  .option('--dynamic', 'publish the one that finds ranges in each run, of matrix products alone: for transformers')
  .option(
    '--calibration <folder>',
    'pictures for --static, <class>/<file>.png or .jpg, or a .tar of them (default: a fifth of the held-out set)',
  )
  .option('--output <file>', 'write the int8 model to a file in place of publishing it')
  .option('--promote', 'make it live')
  .option('--by <name>', 'who publishes it, for the history (default: user@host)')
  .option('--reason <text>', 'why, for the history')
  .action(quantize);
command(
  'tune <model> [version]',
  'measure a version (default: the live one), and recommend memory, threads, prepacking and batch',
)
  .option('--memory <megabytes>', 'sizes of the Lambda function, like 512,1769 (default: what the cores here can show)')
  .option('--rows <numbers>', "rows of a request, like 1,8,64 (default: 1 to 32, up to the model's limit)")
  .option('--within <milliseconds>', 'that a run may take at most')
  .option('--seconds <number>', 'to measure for, about', '30')
  .option('--architecture <name>', 'whose price is told, x86_64 or arm64', 'x86_64')
  .option('--plot <file>', 'an SVG of time and cost by memory')
  .action(tune);
command('push <repository> [models...]', 'copy models to another repository').action(push);
command('pull <repository> [models...]', 'copy models from another repository').action(pull);

await run('models', program);
