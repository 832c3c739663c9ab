import sonicBoom from 'sonic-boom';
import type { Log } from '../inference/ports.ts';
import { jsonLog, type Level } from './json-log.ts';

/** Lines are written a few at a time, as a write costs more than a line... */
const GATHERED_BYTES = 2048;
/** ...and this many milliseconds late at most. The end of the process writes what is left. */
const GATHERED_MS = 100;
/** Whole lines of several processes stay whole in one pipe up to its PIPE_BUF. */
const WRITE_BYTES = 4096;

/** Lines of JSON on standard output, or for a person at a terminal one coloured line each; below `level` none. */
export async function serverLog(terminal: boolean, level: Level): Promise<Log> {
  return jsonLog(terminal ? await coloured() : gathered(), level);
}

function gathered(): (line: string) => void {
  const lines = new sonicBoom.SonicBoom({
    fd: process.stdout.fd,
    sync: false,
    minLength: GATHERED_BYTES,
    maxWrite: WRITE_BYTES,
    periodicFlush: GATHERED_MS,
  });
  let isRead = true;
  // Whoever read them is gone, and the server goes on.
  lines.on('error', () => {
    isRead = false;
  });
  process.on('exit', () => isRead && lines.flushSync());
  return (line) => void (isRead && lines.write(line));
}

async function coloured(): Promise<(line: string) => void> {
  // Only a person needs it.
  const { default: pretty } = await import('pino-pretty');
  const lines = pretty({ colorize: true, singleLine: true, translateTime: 'HH:MM:ss', sync: true });
  return (line) => lines.write(line);
}
