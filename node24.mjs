// Runs a script on Node 24, whatever Node the machine has: `node node24.mjs functions/serve/local.ts [arguments]`.
//
// The optional dependencies bring the binary. npm 11 also links it as node_modules/.bin/node, which is then the `node`
// that runs this file; npm 10 deletes that link again when it skips the packages of the other platforms (they share
// the name), so the binary is looked up here.

import { spawn } from 'node:child_process';
import module, { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const REQUIRED_MAJOR = 24;
/** What V8 has made of our code, and of the TypeScript in it, is kept for the next start: in a folder that is the user's own. */
const COMPILED = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'serverless-onnx-code');

const [script, ...args] = process.argv.slice(2);
if (script === undefined) {
  console.error('node24.mjs: which script? Usage: node node24.mjs SCRIPT [arguments]');
  process.exit(2);
}

// npm passes no signal on: told to end, it would leave its script behind. The script then ends as if it had been told.
if (process.env.npm_lifecycle_event !== undefined) {
  const npm = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === npm) return;
    clearInterval(watch);
    process.kill(process.pid, 'SIGTERM');
  }, 500).unref();
}

if (Number.parseInt(process.versions.node, 10) >= REQUIRED_MAJOR) {
  process.argv.splice(1, 2, resolve(script));
  module.enableCompileCache(COMPILED);
  await import(pathToFileURL(resolve(script)).href);
} else {
  // Why: functions/adapters/session-memory.ts.
  const env = { MALLOC_MMAP_THRESHOLD_: '262144', NODE_COMPILE_CACHE: COMPILED, ...process.env };
  const child = spawn(bundledNode(), [script, ...args], { stdio: 'inherit', env });
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.on(signal, () => child.kill(signal));
  }
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + (signal === 'SIGKILL' ? 9 : 15);
  });
}

/** @returns {string} the path of the Node binary that npm installed for this platform */
function bundledNode() {
  const platform = `${process.platform}-${process.arch}`.replace('win32', 'win');
  const binary = process.platform === 'win32' ? 'bin/node.exe' : 'bin/node';
  const { resolve: find } = createRequire(import.meta.url);
  for (const name of [`node-${platform}`, `node-bin-${platform}`]) {
    try {
      return find(`${name}/${binary}`);
    } catch {
      // Not this name: the packages of two platforms are named differently.
    }
  }
  console.error(
    `serverless-onnx needs Node ${REQUIRED_MAJOR} or newer: found ${process.version}, and npm has no Node package for ` +
      `${platform} here. Run "npm ci" again without --omit=optional, or install Node ${REQUIRED_MAJOR}.`,
  );
  process.exit(1);
}
