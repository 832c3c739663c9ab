import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DIGITS, DIGITS_FILE } from './digits.ts';

/**
 * The digits under another name, in a repository of the bench.
 * @param isolatedBy a Python with onnx, which adds one operator that keeps the model out of the server's process
 * @param config added to their config.pbtxt
 */
export function addDigits(
  repository: string,
  name: string,
  { isolatedBy, config = '' }: { readonly isolatedBy?: string; readonly config?: string } = {},
): void {
  const folder = join(repository, name);
  const file = join(folder, '1/model.onnx');
  mkdirSync(join(folder, '1'), { recursive: true });
  const own = readFileSync(join(DIGITS, 'config.pbtxt'), 'utf8').replace(/^name: .*$/m, `name: "${name}"`);
  writeFileSync(join(folder, 'config.pbtxt'), `${own}${config}\n`);
  cpSync(join(DIGITS, 'labels.txt'), join(folder, 'labels.txt'));
  if (isolatedBy === undefined) cpSync(DIGITS_FILE, file);
  else execFileSync(isolatedBy, [join(import.meta.dirname, 'isolated_copy.py'), DIGITS_FILE, file]);
}
