import { readFile } from 'node:fs/promises';
import { Misuse } from './failure.ts';

/** `npm run deploy` writes the stacks' outputs there. */
const OUTPUTS = 'cdk-outputs.json';

/**
 * The outputs of the stacks that were deployed from this folder, by name.
 * @param instead what the user may give in their place
 * @throws Misuse
 */
export async function deployedOutputs(instead: string): Promise<(name: string) => string | undefined> {
  const text = await readFile(OUTPUTS, 'utf8').catch(() => undefined);
  if (text === undefined) throw new Misuse(`nothing was deployed from this folder; expected ${instead}`);
  const stacks = Object.values(JSON.parse(text) as { [stack: string]: { [output: string]: string } });
  return (name) => stacks.map((outputs) => outputs[name]).find((found) => found !== undefined);
}

/**
 * The first output of that name of the stacks that were deployed from this folder.
 * @param instead what the user may give in its place
 * @throws Misuse
 */
export async function deployedOutput(name: string, instead: string): Promise<string> {
  const value = (await deployedOutputs(instead))(name);
  if (value === undefined) throw new Misuse(`${OUTPUTS} holds no ${name}; expected ${instead}`);
  return value;
}
