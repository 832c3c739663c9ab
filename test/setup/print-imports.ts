// `--import` of a process: writes the packages whose code it has loaded, one a line, to the file IMPORTS_FILE when it ends.

import { writeFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

const packages = new Set<string>();
registerHooks({
  load(url, context, next) {
    // Of a package inside another one: the inner one.
    const name = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1];
    if (name !== undefined) packages.add(name);
    return next(url, context);
  },
});
process.on('exit', () => writeFileSync(process.env.IMPORTS_FILE ?? '', [...packages].sort().join('\n')));
