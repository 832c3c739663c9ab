import { ModelRejected, WriteConflict } from '../inference/ports.ts';
import { ChangeRefused } from '../inference/release-changes.ts';
import { ProtocolError } from '../protocol/errors.ts';
import { WrongGates } from '../retrain/gates.ts';
import { NotStopped } from '../retrain/local/executions.ts';
import { AlreadyWatched } from '../retrain/local/lock.ts';
import { NotTrained } from '../retrain/ports.ts';
import { NotAgain } from '../retrain/rerun.ts';

/** The command can't be understood: exit code 2. */
export class Misuse extends Error {}

/** The command was understood, and did not work: exit code 1. */
export class Failure extends Error {}

/** Runs a command; what goes wrong is one sentence and an exit code, unless it is a defect. */
export async function exitWith(program: string, command: () => Promise<unknown>): Promise<void> {
  try {
    await command();
  } catch (error) {
    if (error instanceof Misuse) {
      console.error(`${program}: ${error.message} (--help explains)`);
      process.exitCode = 2;
    } else if (isExpected(error)) {
      console.error(`${program}: ${error.message}`);
      process.exitCode = 1;
    } else throw error;
  }
}

const EXPECTED = [
  Failure,
  ChangeRefused,
  WriteConflict,
  ModelRejected,
  ProtocolError,
  NotAgain,
  NotStopped,
  NotTrained,
  AlreadyWatched,
  WrongGates,
];

function isExpected(error: unknown): error is Error {
  return EXPECTED.some((Type) => error instanceof Type) || isOfAws(error);
}

/** What a service of AWS has refused; or there are no credentials for it. */
function isOfAws(error: unknown): boolean {
  return error instanceof Error && ('$fault' in error || error.name === 'CredentialsProviderError');
}
