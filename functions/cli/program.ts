import { type Command, CommanderError, createCommand, Option } from 'commander';
import { isModelName, isVersion } from '../protocol/names.ts';
import { exitWith, Misuse } from './failure.ts';

export { type Command, Option };

/** What arguments of these names may be: they become parts of paths. */
const ARGUMENTS: { [name: string]: { isRight: (text: string) => boolean; expected: string } } = {
  model: { isRight: isModelName, expected: "up to 128 letters, digits, '.', '_' or '-', without '..'" },
  models: { isRight: isModelName, expected: "names of up to 128 letters, digits, '.', '_' or '-', without '..'" },
  version: { isRight: isVersion, expected: 'an integer from 1 to 999999999' },
};

/** `npm run <name> -- COMMAND`, without commands yet. Names of models and versions among the arguments are checked. */
export function programOf(name: string, description: string): Command {
  const program = createCommand(`npm run ${name} --`)
    .description(description)
    .helpCommand(false)
    .showHelpAfterError('(--help explains)')
    .exitOverride();
  program.addHelpText(
    'after',
    `
The repository is MODEL_REPOSITORY, or model-artifacts, where no option names another one.
Exit codes: 0 done; 1 refused or failed, nothing half-done; 2 wrong options.`,
  );
  program.hook('preAction', (_, { registeredArguments, processedArgs }) => {
    for (const [i, argument] of registeredArguments.entries()) {
      const { isRight, expected } = ARGUMENTS[argument.name()] ?? { isRight: () => true };
      const given: string[] = [processedArgs[i] ?? []].flat();
      const wrong = given.find((text) => !isRight(text));
      if (wrong !== undefined) throw new Misuse(`${argument.name()} is '${wrong}'; expected ${expected}`);
    }
  });
  return program;
}

/** A command with the options that all have. */
export function commandOf(program: Command, usage: string, description: string): Command {
  return program
    .command(usage)
    .description(description)
    .option('-r, --repository <location>', 'folder of models, or s3://bucket/prefix')
    .option('--deployed', 'the repository of what was deployed from this folder')
    .option('--json', 'print JSON')
    .configureHelp({ showGlobalOptions: true })
    .exitOverride();
}

/** Runs what the command line says. */
export async function run(name: string, program: Command): Promise<void> {
  await exitWith(name, async () => {
    try {
      await program.parseAsync();
    } catch (error) {
      if (!(error instanceof CommanderError)) throw error;
      // It has said what is wrong. Help that was asked for is no error.
      process.exitCode = error.exitCode === 0 ? 0 : 2;
    }
  });
}
