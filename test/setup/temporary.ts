// Before all tests: a temporary folder of their own. CDK, PyTorch and whoever is killed leave folders, thousands after some runs.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export default function setup(): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-tests-'));
  // Tests run in processes of their own, which are started later.
  process.env.TMPDIR = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}
