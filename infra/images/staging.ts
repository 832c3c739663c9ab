import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folders: string[] = [];
process.once('exit', removeStagingFolders);
/** An empty folder to make an asset in, which is removed when the process ends: CDK has its own copy then. */
export function stagingFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-'));
  folders.push(folder);
  return folder;
}

export function removeStagingFolders(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}
