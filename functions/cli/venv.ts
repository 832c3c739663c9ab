// The Python environment of the training program and of the tests, made when it is first needed.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const ROOT = join(import.meta.dirname, '../..');
// What NumPy, scikit-learn and ONNX Runtime, as pinned, ask for.
const OLDEST_PYTHON: readonly [number, number] = [3, 11];

/**
 * One pip command each, in this order. torch first and without retries: on a machine that has its build at hand but no
 * way to the index that the file names, pip then goes on after one try instead of waiting for minutes.
 */
const STEPS: readonly { readonly file: string; readonly what: string; readonly options: readonly string[] }[] = [
  { file: 'functions/train/requirements-torch.txt', what: 'PyTorch (about 200 MB)', options: ['--retries', '0'] },
  { file: 'functions/train/requirements.txt', what: 'the training libraries', options: [] },
  { file: 'test/requirements.txt', what: 'the test libraries', options: [] },
];

/** In .venv, which git ignores, so that one left behind by a killed process is in nobody's way. */
const LOCK = 'serverless-onnx.lock';
/** A running installation touches its lock this often; a lock left alone for STALE_MS belongs to a dead process. */
const HEARTBEAT_MS = 2_000;
const STALE_MS = 15_000;

/**
 * Makes `.venv` in the repository root current and returns the path of its Python.
 *
 * It is made when missing, and anew when a requirement file has changed or the last creation was interrupted: a stamp
 * with the files' sha256 is written last. Of several processes that call this at once, one installs and the others
 * wait. Progress is one line a step on stderr; a current environment is found in a few milliseconds and prints nothing.
 *
 * @param root the repository; only tests name another
 * @throws {Error} one sentence: no python3, one older than 3.11, one without venv, or what pip could not do
 */
export async function ensureVenv(root: string = ROOT): Promise<string> {
  const folder = join(root, '.venv');
  const python = process.platform === 'win32' ? join(folder, 'Scripts', 'python.exe') : join(folder, 'bin', 'python');
  const stamp = join(folder, 'serverless-onnx.sha256');
  const wanted = await digest(root);
  const isCurrent = async (): Promise<boolean> =>
    (await textOf(stamp)) === wanted && (await run(python, ['-c', ''])).code === 0;

  if (await isCurrent()) return python;
  await mkdir(folder, { recursive: true });
  await withLock(join(folder, LOCK), async () => {
    if (await isCurrent()) return;
    const base = await findPython();
    say(`making the Python environment ${folder}`);
    for (const name of await readdir(folder)) {
      if (!name.startsWith(LOCK)) await rm(join(folder, name), { recursive: true, force: true });
    }
    const made = await run(base, ['-m', 'venv', folder]);
    if (made.code !== 0) {
      throw new Error(
        `${base} can't make a virtual environment (${lastLine(made.output)}): install its venv module ` +
          '(Debian and Ubuntu: apt install python3-venv)',
      );
    }
    for (const { file, what, options } of STEPS) {
      say(`installing ${what}`);
      const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input', ...options];
      const installed = await run(python, [...pip, '-r', join(root, file)]);
      if (installed.code !== 0) throw new Error(`pip could not install ${file}: ${pipError(installed.output)}`);
    }
    await writeFile(stamp, wanted);
  });
  return python;
}

/** What the environment is made from: the requirement files, in order. */
async function digest(root: string): Promise<string> {
  const hash = createHash('sha256');
  for (const { file } of STEPS) {
    const content = await readFile(join(root, file));
    hash.update(`${file} ${content.length}\n`).update(content);
  }
  return hash.digest('hex');
}

/** The name of a Python that is new enough. */
async function findPython(): Promise<string> {
  const oldest = OLDEST_PYTHON.join('.');
  let tooOld = '';
  // Windows' installer brings python.exe, and there python3 may be the store's placeholder.
  for (const name of process.platform === 'win32' ? ['python', 'python3'] : ['python3']) {
    const { code, output } = await run(name, ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])']);
    if (code !== 0) continue;
    const [major = 0, minor = 0] = lastLine(output).split('.').map(Number);
    if (major > OLDEST_PYTHON[0] || (major === OLDEST_PYTHON[0] && minor >= OLDEST_PYTHON[1])) return name;
    tooOld = `${name} is Python ${major}.${minor}`;
  }
  throw new Error(
    tooOld === ''
      ? `python3 was not found or does not start: install Python ${oldest} or newer`
      : `${tooOld}: install Python ${oldest} or newer, first in PATH`,
  );
}

/** Runs `work` while no other process does; a lock whose owner has died is taken over. */
async function withLock(path: string, work: () => Promise<void>): Promise<void> {
  for (let told = false; !(await tryLock(path)); told = true) {
    if (!told) say('waiting for another process that makes the Python environment');
    await sleep(500);
  }
  const heartbeat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {});
  }, HEARTBEAT_MS);
  try {
    await work();
  } finally {
    clearInterval(heartbeat);
    await rm(path, { force: true });
  }
}

async function tryLock(path: string): Promise<boolean> {
  try {
    await (await open(path, 'wx')).close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  // Two that find the same stale lock must not both remove it: the second would remove the first one's new lock.
  const age = Date.now() - (await stat(path).then(({ mtimeMs }) => mtimeMs, Date.now));
  if (age > STALE_MS) {
    const broom = `${path}.stale`;
    try {
      await mkdir(broom);
    } catch {
      // Another process sweeps, or died sweeping, which the same age tells.
      const since = await stat(broom).then(({ mtimeMs }) => mtimeMs, Date.now);
      if (Date.now() - since > STALE_MS) await rm(broom, { recursive: true, force: true });
      return false;
    }
    try {
      const still = Date.now() - (await stat(path).then(({ mtimeMs }) => mtimeMs, Date.now));
      if (still > STALE_MS) await rm(path, { force: true });
    } finally {
      await rm(broom, { recursive: true, force: true });
    }
  }
  return false;
}

/** Runs a program to its end; code is null when it could not be started or a signal ended it. */
function run(program: string, args: readonly string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const keep = (chunk: Buffer): void => {
      output += chunk;
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', ({ message }) => resolve({ code: null, output: message }));
    child.on('close', (code) => resolve({ code, output }));
  });
}

const textOf = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');
const lastLine = (text: string): string => text.trim().split('\n').at(-1)?.trim() ?? '';
/** pip's reason, without the hints and notices that may follow it. */
const pipError = (text: string): string =>
  lastLine(text.match(/^ERROR: .*$/gm)?.join('\n') ?? text).replace(/^ERROR: /, '');
const say = (line: string): void => console.error(`serverless-onnx: ${line}`);
