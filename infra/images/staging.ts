import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folders: string[] = [];
const made = new Map<string, string>();
process.once('exit', removeStagingFolders);

/** An empty folder to make an asset in, which is removed when the process ends: CDK has its own copy then. */
export function stagingFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-'));
  folders.push(folder);
  return folder;
}

/**
 * The folder of an asset that several stacks, or several deployments of one process, have in common: made once.
 * @param what it is: the same text for the same content
 */
export function stagedOnce(what: string, make: () => string): string {
  const folder = made.get(what) ?? make();
  made.set(what, folder);
  return folder;
}

export function removeStagingFolders(): void {
  made.clear();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}
