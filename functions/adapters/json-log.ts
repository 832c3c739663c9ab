import type { Log } from '../inference/ports.ts';

/** As pino numbers them. */
const LEVELS = { info: 30, warn: 40, error: 50 } as const;

export type Level = keyof typeof LEVELS;

/**
 * A line of JSON for each event, in the form that pino gave it a name for (https://getpino.io) and that log viewers know. Pino itself
 * takes 10 ms of each cold start to load, and of a small model's request four times as long as this.
 * @param write takes a line with its end
 * @param least what is below this level is not written
 */
export function jsonLog(write: (line: string) => void, least: Level = 'info'): Log {
  const writer = (level: Level): Log[Level] => {
    if (LEVELS[level] < LEVELS[least]) return () => {};
    return (fields, message) => {
      const rest = JSON.stringify({ ...fields, ...errorOf(fields), msg: message });
      write(`{"level":${LEVELS[level]},"time":"${timestamp()}",${rest.slice(1)}\n`);
    };
  };
  return { info: writer('info'), warn: writer('warn'), error: writer('error') };
}

/** The `err` of the fields with what JSON leaves out of an error. */
function errorOf({ err }: { err?: unknown }): object | undefined {
  return err instanceof Error ? { err: plainError(err) } : undefined;
}

function plainError(error: Error): object {
  const { name: type, message, stack, cause } = error;
  // What it has beside, like a `code`, JSON takes by itself.
  return Object.assign({ type, message, stack }, error, { cause: cause instanceof Error ? plainError(cause) : cause });
}

let second = Number.NaN;
let upToSecond = '';

/** ISO 8601, at a quarter of the cost of `toISOString`: a second is written out once. */
function timestamp(): string {
  const now = Date.now();
  const ms = now % 1000;
  if (now - ms !== second) {
    second = now - ms;
    upToSecond = new Date(second).toISOString().slice(0, -4);
  }
  return `${upToSecond}${String(ms).padStart(3, '0')}Z`;
}
