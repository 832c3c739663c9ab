// Which cores the servers have, and which the load. On two they share both; where there are four or more, servers have two and
// what loads them has the others, so that it takes nothing from them. Needs Linux, as the sections that use it do.

import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

const SERVER_CORES = 2;
const isSplit = availableParallelism() >= 2 * SERVER_CORES;
const allowed = isSplit ? allowedCores() : [];

/** That a server has. */
export const CORES = isSplit ? SERVER_CORES : availableParallelism();

export const onServerCores = pinned(allowed.slice(0, SERVER_CORES));
export const onLoadCores = pinned(allowed.slice(SERVER_CORES));

/** @returns what makes a command, whose children too, run on these cores only */
function pinned(cores: readonly number[]): (command: readonly string[]) => readonly string[] {
  return (command) => (isSplit ? ['taskset', '-c', cores.join(), ...command] : command);
}

function allowedCores(): number[] {
  const list = execFileSync('taskset', ['-cp', String(process.pid)], { encoding: 'utf8' }).split(': ')[1] ?? '';
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}
