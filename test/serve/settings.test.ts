import { spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readLocalSettings } from '../../functions/serve/local-env.ts';
import { WrongSetting } from '../../functions/serve/variables.ts';

const SCRIPT = join(import.meta.dirname, '../../functions/serve/local.ts');
const start = (env: { [name: string]: string }, ...args: string[]) =>
  spawnSync(process.execPath, [SCRIPT, ...args], {
    env: { PATH: process.env.PATH, ...env },
    encoding: 'utf8',
    timeout: 60_000,
  });

describe('wrong settings end the server with one sentence and exit code 2', () => {
  test.each([
    [{ PORT: '80a' }, /^PORT is '80a'; expected an integer from 0 to 65535$/],
    [{ PORT: '65536' }, /^PORT is '65536'; expected/],
    [{ PORT: '-1' }, /^PORT is '-1'; expected/],
    [{ MAX_BODY_BYTES: '1e6' }, /^MAX_BODY_BYTES is '1e6'; expected an integer from 1/],
    [{ REQUEST_TIMEOUT_MS: '0' }, /^REQUEST_TIMEOUT_MS is '0'; expected/],
    [{ MODEL_CONTROL: 'poll' }, /^MODEL_CONTROL is 'poll'; expected all or explicit$/],
    [{ LOG_LEVEL: 'loud' }, /^LOG_LEVEL is 'loud'; expected one of info, warn, error$/],
    [{ MAX_QUEUE_SIZE: 'many' }, /^MAX_QUEUE_SIZE is 'many'; expected/],
    [{ SERVER_PROCESSES: '0' }, /^SERVER_PROCESSES is '0'; expected an integer from 1 to 64$/],
    [
      { SERVER_PROCESSES: '2', MODEL_CONTROL: 'explicit' },
      /^SERVER_PROCESSES is 2, and MODEL_CONTROL is explicit.*expected/,
    ],
    [{ SERVER_PROCESSES: '2', MODEL_REPOSITORY: 'no-such-folder' }, /^MODEL_REPOSITORY is 'no-such-folder'/],
    [{ HOST: 'http://localhost' }, /^HOST is 'http:\/\/localhost'; expected a host name/],
    [{ HOST: '203.0.113.7', API_TOKEN: 'a-token-of-enough-length' }, /^HOST is '203.0.113.7', which can't be bound/],
    [{ HOST: '0.0.0.0' }, /^API_TOKEN is not set, and HOST is '0.0.0.0'.*expected a token/],
    [{ API_TOKEN: 'short' }, /^API_TOKEN has 5 characters; expected at least 16/],
    [
      { MODEL_REPOSITORY: 'no-such-folder' },
      /^MODEL_REPOSITORY is 'no-such-folder', which does not exist; expected a folder/,
    ],
    [{ MODEL_REPOSITORY: 'package.json' }, /^MODEL_REPOSITORY is 'package.json', which is a file; expected a folder/],
  ] as [Record<string, string>, RegExp][])('%o', (env, sentence) => {
    const { status, stderr, stdout } = start(env);
    expect(stderr.trim()).toMatch(sentence);
    expect(stderr.trim()).not.toContain('\n');
    expect(stderr).not.toContain(env.API_TOKEN === 'short' ? 'short' : '\n    at ');
    expect(stdout).toBe('');
    expect(status).toBe(2);
  });

  test('a port that is taken', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    const { status, stderr } = start({ PORT: String(port) });
    other.close();
    expect(stderr.trim()).toBe(`PORT is ${port}, where another program listens; expected a free port, or 0 for any`);
    expect(status).toBe(2);
  });

  test('an argument, which nobody reads', () => {
    expect(start({}, '--port')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("no arguments, got '--port'"),
    });
  });
});

test('--help lists every setting with its default', () => {
  const { status, stdout } = start({}, '--help');
  expect(status).toBe(0);
  const defaults: { [name: string]: string } = {
    MODEL_REPOSITORY: 'model-artifacts',
    MODEL_CONTROL: 'all',
    PRELOAD_MODELS: 'none',
    REPOSITORY_POLL_SECS: '2',
    MODEL_MEMORY_BYTES: 'none',
    MODEL_CACHE_BYTES: 'none',
    HOST: '127.0.0.1',
    PORT: '8080',
    SERVER_PROCESSES: '1',
    SERVER_NAME: 'serverless-onnx',
    API_TOKEN: 'none',
    LOG_LEVEL: 'info',
    MAX_BODY_BYTES: '67108864',
    REQUEST_TIMEOUT_MS: '30000',
    LOAD_TIMEOUT_MS: '120000',
    MAX_QUEUE_SIZE: '100',
    DEFAULT_MAX_BATCH_SIZE: '4',
  };
  for (const [name, value] of Object.entries(defaults)) {
    expect(stdout).toMatch(new RegExp(`  ${name} [^(]*\\(${value.replaceAll('.', '\\.')}\\)`));
  }
  const read = Object.values(readLocalSettings({})).map((value) => String(value ?? 'none'));
  expect(read.sort()).toEqual(Object.values(defaults).sort());
});

test('an empty variable counts as not set', () => {
  expect(readLocalSettings({ PORT: '', HOST: ' ', API_TOKEN: '' })).toEqual(readLocalSettings({}));
  expect(() => readLocalSettings({ PORT: 'x' })).toThrow(WrongSetting);
});
