// `npm run retrain -- COMMAND`: what retraining has done; `--help` explains.

import { type Command, CommanderError, createCommand } from 'commander';
import { isModelName, isVersion } from '../protocol/names.ts';
import { exitWith, Misuse } from './failure.ts';
import { explain } from './retrain/explain.ts';

const program = createCommand('npm run retrain --')
  .description('Tells what the retraining of models has done.')
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
    .option('--deployed', 'what was deployed from this folder')
    .option('--json', 'print JSON')
    .exitOverride();
}

command(
  'explain <model> [version]',
  'what a version was made from, and why it serves or not (default: the live one)',
).action(explain);

/** What arguments of these names may be: they become parts of paths. */
const ARGUMENTS: { [name: string]: { isRight: (text: string) => boolean; expected: string } } = {
  model: { isRight: isModelName, expected: "up to 128 letters, digits, '.', '_' or '-', without '..'" },
  version: { isRight: isVersion, expected: 'an integer from 1 to 999999999' },
};

program.hook('preAction', (_, { registeredArguments, processedArgs }) => {
  for (const [i, argument] of registeredArguments.entries()) {
    const { isRight, expected } = ARGUMENTS[argument.name()] ?? { isRight: () => true };
    const given: string | undefined = processedArgs[i];
    if (given !== undefined && !isRight(given)) {
      throw new Misuse(`${argument.name()} is '${given}'; expected ${expected}`);
    }
  }
});

await exitWith('retrain', async () => {
  try {
    await program.parseAsync();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // It has said what is wrong. Help that was asked for is no error.
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  }
});
