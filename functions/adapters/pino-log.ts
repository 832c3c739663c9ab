import { type DestinationStream, pino } from 'pino';
import type { Log } from '../inference/ports.ts';

/** Lines are written a few at a time, as a write costs more than a line... */
const BUFFER_BYTES = 2048;
/** ...and this many milliseconds late at most. The end of the process writes what is left. */
const BUFFER_MS = 100;
/** Whole lines of several processes stay whole in one pipe up to its PIPE_BUF. */
const WRITE_BYTES = 4096;

let second = Number.NaN;
let upToSecond = '';

/** As pino's own `isoTime`, at a quarter of its cost: a second is written out once. */
function timestamp(): string {
  const now = Date.now();
  const ms = now % 1000;
  if (now - ms !== second) {
    second = now - ms;
    upToSecond = new Date(second).toISOString().slice(0, -4);
  }
  return `,"time":"${upToSecond}${String(ms).padStart(3, '0')}Z"`;
}

const OPTIONS = { base: undefined, timestamp };

/** Lines of JSON on standard output, each written at once: a function's process is frozen after each answer. */
export function functionLog(): Log {
  return pino(OPTIONS);
}

/** Lines of JSON on standard output, or for a person at a terminal one coloured line each; below `level` none. */
export async function serverLog(terminal: boolean, level: string): Promise<Log> {
  const log: Log = pino({ ...OPTIONS, level }, terminal ? await colours() : buffered());
  return log;
}

function buffered(): DestinationStream {
  return pino.destination({ sync: false, minLength: BUFFER_BYTES, maxWrite: WRITE_BYTES, periodicFlush: BUFFER_MS });
}

async function colours(): Promise<DestinationStream> {
  // Only a person needs it.
  const { default: pretty } = await import('pino-pretty');
  return pretty({ colorize: true, singleLine: true, translateTime: 'HH:MM:ss', sync: true });
}
