import { pino } from 'pino';
import pretty from 'pino-pretty';
import type { Log } from '../inference/ports.ts';

/** Log lines on standard output: JSON, or for a person at a terminal one coloured line each. */
export function createLog(terminal: boolean): Log {
  const options = { base: undefined, timestamp: pino.stdTimeFunctions.isoTime };
  if (!terminal) return pino(options);
  return pino(options, pretty({ colorize: true, singleLine: true, translateTime: 'HH:MM:ss', sync: true }));
}
