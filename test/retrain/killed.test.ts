// A gatekeeper that is killed with -9 in the middle of its work on folders: the next one finishes it.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { folderLoop, mailsIn } from '../setup/folder-loop.ts';
import { pictures, TRAINING } from '../setup/retraining.ts';

const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-killed-'));
afterAll(() => rmSync(folder, { recursive: true }));

const write = (path: string, content: string | Uint8Array): void => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
};
const SCRIPT = join(import.meta.dirname, 'consider-until-killed.ts');
/** So many of the steps, evenly spread: each is a process of its own. */
const KILLED = 12;

test.each([
  { name: 'an upload that is taken', more: [] as string[], mails: [] as string[], starts: 1 },
  { name: 'an upload that is refused', more: ['cat/notes.txt'], mails: ['m: rejected (wrong-format)'], starts: 0 },
])(
  '$name',
  async ({ more, mails, starts }) => {
    const fresh = join(folder, `fresh-${starts}`);
    for (const [path, bytes] of pictures(['cat', 'dog'], 7)) write(join(fresh, 'datasets/m', path), bytes);
    for (const path of more) write(join(fresh, 'datasets/m', path), 'a note');
    write(join(fresh, 'models/m/1/model.onnx'), 'a model');
    write(join(fresh, 'models/m/training.json'), JSON.stringify(TRAINING));
    const run = (step: number): { root: string; signal: string | null; stdout: string } => {
      const root = join(folder, `${starts}-${step}`);
      cpSync(fresh, root, { recursive: true });
      const { signal, stdout, stderr } = spawnSync(process.execPath, [SCRIPT, root, `${step}`], { encoding: 'utf8' });
      if (signal === null && stdout === '') throw new Error(stderr);
      return { root, signal, stdout };
    };
    const all = Number(run(0).stdout);
    expect(all).toBeGreaterThan(20);
    const every = Math.max(1, Math.floor(all / KILLED));
    for (let step = 1; step <= all; step += every) {
      const { root, signal } = run(step);
      expect(signal).toBe('SIGKILL');
      const later = new Date(Date.now() + 2 * 3_600_000);
      const { reconciler, ledger, queue, budget } = folderLoop(root, () => later);
      await reconciler.reconcile();
      const [entry, ...others] = await ledger.entries('m');
      expect([entry?.state, others], `killed before ${step}`).toEqual([starts === 1 ? 'running' : 'rejected', []]);
      expect(readdirSync(root).filter((name) => name.startsWith('started-'))).toHaveLength(starts);
      expect(await budget.taken('m', later)).toBe(starts);
      // Twice only where it was killed between the mail and the note that it was sent.
      expect(new Set(mailsIn(root))).toEqual(new Set(mails));
      expect(mailsIn(root).length).toBeLessThanOrEqual(2 * mails.length);
      const { running, open = [] } = await queue.state('m');
      expect([running?.id, open.length]).toEqual(starts === 1 ? [entry?.id, 1] : [undefined, 0]);
      rmSync(root, { recursive: true });
    }
  },
  240_000,
);
