import { readFile } from 'node:fs/promises';
import { Misuse } from './failure.ts';

/** `npm run deploy` writes the stacks' outputs there. */
const OUTPUTS = 'cdk-outputs.json';

/**
 * The first output of that name of the stacks that were deployed from this folder.
 * @param instead what the user may give in its place
 * @throws Misuse
 */
export async function deployedOutput(name: string, instead: string): Promise<string> {
  const text = await readFile(OUTPUTS, 'utf8').catch(() => undefined);
  if (text === undefined) throw new Misuse(`nothing was deployed from this folder; expected ${instead}`);
  const stacks = Object.values(JSON.parse(text) as { [stack: string]: { [output: string]: string } });
  const value = stacks.map((outputs) => outputs[name]).find((found) => found !== undefined);
  if (value === undefined) throw new Misuse(`${OUTPUTS} holds no ${name}; expected ${instead}`);
  return value;
}
