// `npm run models -- COMMAND`: what a model repository holds, and what is live there; `--help` explains.

import { type Command, CommanderError, createCommand, Option } from 'commander';
import { isModelName, isVersion } from '../protocol/names.ts';
import { exitWith, Misuse } from './failure.ts';
import { compare } from './models/compare.ts';
import { pull, push } from './models/copy.ts';
import { inspect } from './models/inspect.ts';
import { list } from './models/list.ts';
import { publish } from './models/publish.ts';
import { canary, pin, promote, rollback, unpin } from './models/release.ts';
import { verify } from './models/verify.ts';

const program = createCommand('npm run models --')
  .description('Manages the models of a repository: a folder, or a bucket.')
  .helpCommand(false)
  .showHelpAfterError('(--help explains)')
  .exitOverride();

program.addHelpText(
  'after',
  `
The repository is MODEL_REPOSITORY, or model-artifacts, where no option names another one.
Exit codes: 0 done; 1 refused or failed, nothing half-done; 2 wrong options.`,
);

/** A command with the options that all have. */
function command(usage: string, description: string): Command {
  return program
    .command(usage)
    .description(description)
    .option('-r, --repository <location>', 'folder of models, or s3://bucket/prefix')
    .option('--deployed', 'the repository of what was deployed from this folder')
    .option('--json', 'print JSON')
    .configureHelp({ showGlobalOptions: true })
    .exitOverride();
}

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
command('push <repository> [models...]', 'copy models to another repository').action(push);
command('pull <repository> [models...]', 'copy models from another repository').action(pull);

/** What arguments of these names may be: they become parts of paths. */
const ARGUMENTS: { [name: string]: { isRight: (text: string) => boolean; expected: string } } = {
  model: { isRight: isModelName, expected: "up to 128 letters, digits, '.', '_' or '-', without '..'" },
  models: { isRight: isModelName, expected: "names of up to 128 letters, digits, '.', '_' or '-', without '..'" },
  version: { isRight: isVersion, expected: 'an integer from 1 to 999999999' },
};

program.hook('preAction', (_, { registeredArguments, processedArgs }) => {
  for (const [i, argument] of registeredArguments.entries()) {
    const { isRight, expected } = ARGUMENTS[argument.name()] ?? { isRight: () => true };
    const given: string[] = [processedArgs[i] ?? []].flat();
    const wrong = given.find((text) => !isRight(text));
    if (wrong !== undefined) throw new Misuse(`${argument.name()} is '${wrong}'; expected ${expected}`);
  }
});

await exitWith('models', async () => {
  try {
    await program.parseAsync();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // It has said what is wrong. Help that was asked for is no error.
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  }
});
