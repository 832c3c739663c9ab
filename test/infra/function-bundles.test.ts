import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { bundle } from '../../infra/images/bundle.ts';

const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-bundles-'));
afterAll(() => rmSync(folder, { recursive: true }));

test.each(['end-canary', 'lambda/gatekeeper', 'lambda/reconcile', 'lambda/conclude'])(
  '%s is one file that Node loads, with nothing beside it',
  (name) => {
    const file = join(folder, `${name}.mjs`);
    bundle(`functions/retrain/${name}.ts`, file);
    const script = `console.log(typeof (await import(${JSON.stringify(file)})).handler)`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect([stdout.trim(), stderr]).toEqual(['function', '']);
  },
);
