import { spawnSync } from 'node:child_process';
import { Failure } from '../../../functions/cli/failure.ts';
import type { Section, Table } from '../section.ts';

const REQUESTS = 100_000;
const QUICK_REQUESTS = 2_000;

export default {
  name: 'made-up-requests',
  what: 'made-up requests of the binary extension: each is answered or refused with a sentence, none with 5xx',
  async run({ quick }): Promise<Table[]> {
    const count = quick ? QUICK_REQUESTS : REQUESTS;
    const started = performance.now();
    const { status } = spawnSync(
      process.execPath,
      ['node_modules/vitest/vitest.mjs', 'run', '--reporter=dot', 'test/fuzz/framing.test.ts'],
      { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, FUZZ_RUNS: String(count) } },
    );
    if (status !== 0) throw new Failure('test/fuzz/framing.test.ts has failed; it says why when it is run by itself');
    const seconds = Number(((performance.now() - started) / 1000).toFixed(1));
    return [
      { title: 'Requests that are answered or refused', rows: [{ requests: count, 'all right': 'yes', seconds }] },
    ];
  },
} satisfies Section;
