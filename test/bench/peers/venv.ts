import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../../..');

/** The folder of the programs of `.venv-bench`, where the servers to compare with are. */
export function benchPrograms(): string {
  return programsOf('.venv-bench', 'requirements.txt');
}

/** MLServer has one of its own: it does not start with the uvloop that the others have. */
export function mlserverPrograms(): string {
  return programsOf('.venv-bench-mlserver', 'requirements-mlserver.txt');
}

/** Makes a virtual environment at its first use, and when its requirements have changed. */
function programsOf(name: string, requirements: string): string {
  const folder = join(ROOT, name);
  const programs = join(folder, 'bin');
  const file = join(import.meta.dirname, requirements);
  const stamp = join(folder, 'requirements.txt');
  const wanted = readFileSync(file, 'utf8');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return programs;
  rmSync(folder, { recursive: true, force: true });
  execFileSync('python3', ['-m', 'venv', folder]);
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', file];
  execFileSync(join(programs, 'python'), pip, { stdio: ['ignore', 'ignore', 'pipe'] });
  writeFileSync(stamp, wanted);
  return programs;
}
