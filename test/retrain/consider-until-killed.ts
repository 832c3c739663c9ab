// Considers an upload in folders, and kills itself before the step whose number it is given: no clean-up, as with kill -9.
//
//   node consider-until-killed.ts FOLDER STEP

import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

const [root = '', last = ''] = process.argv.slice(2);
let steps = 0;

/** Every call that changes a file system is a step. */
for (const name of ['open', 'link', 'rename', 'mkdir', 'rm'] as const) {
  const original = fs[name] as (...given: unknown[]) => unknown;
  Object.assign(fs, {
    [name]: (...given: unknown[]) => {
      if (++steps === Number(last)) process.kill(process.pid, 'SIGKILL');
      return original(...given);
    },
  });
}
syncBuiltinESMExports();

const { folderLoop } = await import('../setup/folder-loop.ts');
const later = Date.now() + 3_600_000;
steps = 0;
await folderLoop(root, () => new Date(later)).gatekeeper.consider('m');
console.log(steps);
