import { pino } from 'pino';
import type { Log } from '../inference/ports.ts';

/** Log lines on standard output: JSON, or for a person at a terminal one coloured line each. */
export async function createLog(terminal: boolean): Promise<Log> {
  const options = { base: undefined, timestamp: pino.stdTimeFunctions.isoTime };
  const lines: Log = pino(options);
  if (!terminal) return lines;
  // Only a person needs it.
  const { default: pretty } = await import('pino-pretty');
  const coloured: Log = pino(
    options,
    pretty({ colorize: true, singleLine: true, translateTime: 'HH:MM:ss', sync: true }),
  );
  return coloured;
}
