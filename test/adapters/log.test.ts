import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { jsonLog } from '../../functions/adapters/json-log.ts';

const SERVER_LOG = join(import.meta.dirname, '../../functions/adapters/server-log.ts');

function written(tell: (log: ReturnType<typeof jsonLog>) => void, least?: 'warn' | 'error'): string[] {
  const lines: string[] = [];
  tell(jsonLog((line) => lines.push(line), least));
  return lines;
}

/** What a process prints that logs with a server's log on a pipe. */
async function printed(script: string): Promise<string> {
  const program = `import { serverLog } from ${JSON.stringify(SERVER_LOG)}; const log = await serverLog(false, 'info'); ${script}`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]);
  return stdout;
}

test('a line is JSON with a level, a time, the fields and the message', () => {
  const before = Date.now();
  const [line = ''] = written((log) => log.info({ model: 'a "b"\n', rows: 3, absent: undefined }, 'text'));
  expect(line.endsWith('\n')).toBe(true);
  const { time, ...rest } = JSON.parse(line);
  expect(rest).toEqual({ level: 30, model: 'a "b"\n', rows: 3, msg: 'text' });
  expect(new Date(time).toISOString()).toBe(time);
  expect(Date.parse(time)).toBeGreaterThanOrEqual(before);
  expect(Date.parse(time)).toBeLessThanOrEqual(Date.now());
});

test('an error comes with its kind, its stack, its code and its cause', () => {
  const err = Object.assign(new TypeError('what', { cause: new Error('why') }), { code: 'E_WHAT' });
  const [line = ''] = written((log) => log.error({ id: 'one', err }, 'failed'));
  expect(JSON.parse(line)).toMatchObject({
    level: 50,
    id: 'one',
    err: { type: 'TypeError', message: 'what', code: 'E_WHAT', cause: { type: 'Error', message: 'why' } },
    msg: 'failed',
  });
  expect(JSON.parse(line).err.stack).toContain('log.test.ts');
});

test('what is below the level is not written', () => {
  const tell = (log: ReturnType<typeof jsonLog>): void => {
    log.info({}, 'info');
    log.warn({}, 'warn');
    log.error({}, 'error');
  };
  expect(written(tell, 'warn').map((line) => JSON.parse(line).msg)).toEqual(['warn', 'error']);
});

test('the end of the process writes what was gathered, and all lines are whole and in their order', async () => {
  const lines = await printed(
    `for (let i = 0; i < 500; i++) log.info({ i, text: 'ä'.repeat(i) }, 'line'); process.exit();`,
  );
  expect(
    lines
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line).i),
  ).toEqual(Array.from({ length: 500 }, (_, i) => i));
});

test('a line that is alone is written soon', async () => {
  const script = `log.info({}, 'one'); setTimeout(() => process.kill(process.pid, 'SIGKILL'), 1000);`;
  const program = `import { serverLog } from ${JSON.stringify(SERVER_LOG)}; const log = await serverLog(false, 'info'); ${script}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  expect(JSON.parse(await text(child.stdout)).msg).toBe('one');
});

test('a server goes on when nobody reads its lines any more', async () => {
  const script = `setInterval(() => { for (let i = 0; i < 100; i++) log.info({ i }, 'line'); }, 5); setTimeout(() => process.exit(7), 500);`;
  const program = `import { serverLog } from ${JSON.stringify(SERVER_LOG)}; const log = await serverLog(false, 'info'); ${script}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  child.stdout.once('data', () => child.stdout.destroy());
  expect(await once(child, 'exit')).toEqual([7, null]);
});
