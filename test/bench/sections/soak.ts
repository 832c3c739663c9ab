// The local server over a time: whether its memory, its open files and its latency stay what they are.

import { execFile } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ensureVenv } from '../../../functions/cli/venv.ts';
import { startServer } from '../../setup/edges.ts';
import { expectedScores } from '../digits.ts';
import { addDigits } from '../digits-copy.ts';
import type { Section, Table } from '../section.ts';
import { PER_SECOND, Soak } from '../soak/soak.ts';
import { tablesOf } from '../soak/tables.ts';

const ROOT = join(import.meta.dirname, '../../..');
const SECONDS = 600;
const QUICK_SECONDS = 20;

const run = promisify(execFile);

export default {
  name: 'soak',
  what: `${SECONDS / 60} minutes of mixed requests, ${PER_SECOND} a second, while new versions are published: memory, files, latency`,
  async run({ quick, scratch, progress }): Promise<Table[]> {
    const repository = join(scratch, 'models');
    await makeRepository(repository, scratch);
    const server = await startServer({ MODEL_REPOSITORY: repository });
    try {
      const soak = new Soak(server, quick ? QUICK_SECONDS : SECONDS, await expectedScores());
      return tablesOf(await soak.run(() => publish(repository, scratch), progress));
    } finally {
      await server.close();
    }
  },
} satisfies Section;

/** The digits twice: one stays out of the server's process, of the other new versions will come. */
async function makeRepository(repository: string, scratch: string): Promise<void> {
  addDigits(join(scratch, 'source'), 'inline');
  addDigits(repository, 'isolated', { isolatedBy: await ensureVenv() });
  mkdirSync(join(repository, 'inline'));
  for (const file of ['config.pbtxt', 'labels.txt']) {
    cpSync(join(scratch, 'source/inline', file), join(repository, 'inline', file));
  }
  await publish(repository, scratch);
}

async function publish(repository: string, scratch: string): Promise<void> {
  const file = join(scratch, 'source/inline/1/model.onnx');
  const command = ['publish', file, '--as', 'inline', '--promote', '-r', repository];
  await run(process.execPath, [join(ROOT, 'functions/cli/models.ts'), ...command]);
}
