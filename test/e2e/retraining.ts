// From an upload of data to a better model at the API's URL: the tests of the loop, on a deployment that has it.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import type { Explanation } from '../../functions/retrain/explain.ts';
import type { Loop } from './loop.ts';
import { mislabelled, type Pictures, sha256, some, withConflict } from './uploads.ts';

export type Started = {
  readonly loop: Loop;
  readonly digits: Pictures;
  /** The id of an upload of files alone, among them one that is no picture. */
  readonly withPage: string;
  /** What a process needs in its environment to reach the repository. */
  readonly env: { readonly [name: string]: string };
  /** The versions that answer requests, in their order, until this one does; every request is answered. */
  versionsUntil(version: string): Promise<string[]>;
};

const ROOT = join(import.meta.dirname, '../..');

/** @param before and `after`: the version that serves, and the one that retraining makes */
export function testRetraining(started: () => Started, { before, after }: { before: string; after: string }): void {
  const ids: { [upload: string]: string } = {};

  test('files are looked at when none has come for a while; one that is no picture is refused', async () => {
    const { loop, withPage } = started();
    const { state, reason } = await loop.ended(withPage);
    expect([state, reason]).toEqual([
      'rejected',
      { code: 'wrong-format', text: expect.stringContaining('0/page.png') },
    ]);
    expect(await loop.executions()).toEqual([]);
  });

  test('an upload of digits is trained on, judged and promoted', async () => {
    const { loop, digits } = started();
    ids.better = await loop.uploads.whole(digits);
    const entry = await loop.ended(ids.better);
    expect(entry).toMatchObject({ state: 'promoted', version: after, decision: { outcome: 'promote' } });
    expect(entry.report?.files).toBe(digits.size);
  });

  test('the URL serves the new version, which is traced back to the very upload', async () => {
    const { loop, digits, env, versionsUntil } = started();
    expect([[before, after], [after]]).toContainEqual(await versionsUntil(after));
    const command = ['functions/cli/retrain.ts', 'explain', 'digits', '--json'];
    const options = { cwd: ROOT, env: { ...process.env, ...env } };
    const { stdout } = await promisify(execFile)(process.execPath, command, options);
    const { version, lineage, decision } = JSON.parse(stdout) as Explanation;
    expect({ version, lineage, decision }).toMatchObject({
      version: after,
      lineage: {
        id: ids.better,
        snapshot: expect.stringMatching(`^s3://[^/]+/snapshots/digits/${ids.better}/$`),
        manifest: { files: digits.size },
        job: loop.worker.requests[0]?.TrainingJobName,
        champion: before,
      },
      decision: { outcome: 'promote', live: before },
    });
    const [old, made] = await Promise.all(
      [before, after].map((each) => loop.object(`models/digits/${each}/model.onnx`)),
    );
    expect(lineage?.model_sha256).toBe(sha256(made as Uint8Array));
    expect(lineage?.model_sha256).not.toBe(sha256(old as Uint8Array));
    // What the job itself has read is that copy, file by file.
    const manifest = await loop.object(`snapshots/digits/${ids.better}/manifest.json`);
    expect(lineage?.data_manifest_sha256).toBe(sha256(manifest));
    const { files } = JSON.parse(new TextDecoder().decode(manifest)) as { files: { path: string; sha256: string }[] };
    expect(new Map(files.map((file) => [file.path, file.sha256]))).toEqual(
      new Map([...digits].map(([path, bytes]) => [path, sha256(bytes)])),
    );
  });

  test('a poisoned upload is rejected before anything is spent', async () => {
    const { loop, digits } = started();
    ids.poisoned = await loop.uploads.whole(withConflict(digits));
    expect(await loop.ended(ids.poisoned)).toMatchObject({ state: 'rejected', reason: { code: 'conflicting-labels' } });
    expect(await loop.executions()).toEqual([ids.better]);
  });

  test('a worse model does not serve', async () => {
    const { loop, digits, versionsUntil } = started();
    const release = await loop.object('models/digits/release.json');
    const keys = await loop.modelKeys();
    ids.worse = await loop.uploads.whole(mislabelled(some(digits)));
    const entry = await loop.ended(ids.worse);
    expect(entry).toMatchObject({ state: 'rejected', reason: { code: 'accuracy-floor' } });
    expect(await loop.executions()).toEqual([ids.better, ids.worse].sort());
    expect(await loop.modelKeys()).toEqual(keys);
    expect(await loop.object('models/digits/release.json')).toEqual(release);
    expect(await versionsUntil(after)).toEqual([after]);
  });

  test('each upload was told of once, and nothing is left to do', async () => {
    const { loop, withPage } = started();
    expect(await loop.told()).toEqual(
      [
        [withPage, 'rejected', 'wrong-format'],
        [ids.better, 'promoted', undefined],
        [ids.poisoned, 'rejected', 'conflicting-labels'],
        [ids.worse, 'rejected', 'accuracy-floor'],
      ].sort(),
    );
    expect(loop.worker.requests).toHaveLength(2);
    expect(await loop.failedRuns()).toBe(0);
  });
}
