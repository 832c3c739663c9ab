// `npm run bench`: what is too long or too noisy for `npm test`. docs/benchmarks.md keeps the results.

import { spawnSync } from 'node:child_process';
import { makeModels } from '../setup/models.ts';
import { benchBatching } from './batching.ts';

const FUZZ_RUNS = 100_000;

console.log(`${FUZZ_RUNS} made-up binary requests`);
const { status } = spawnSync(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', '--reporter=dot', 'test/fuzz/framing.test.ts'],
  { stdio: 'inherit', env: { ...process.env, FUZZ_RUNS: String(FUZZ_RUNS) } },
);
process.exitCode = status ?? 1;

const { folder, remove } = await makeModels();
try {
  console.log('Dynamic batching: a model of 16 matrix products, 1024 wide');
  console.table(await benchBatching(folder));
} finally {
  remove();
}
