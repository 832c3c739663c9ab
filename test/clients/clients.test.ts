import { execFile } from 'node:child_process';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { ensureVenv } from '../../functions/cli/venv.ts';
import { type ServerProcess, startServer } from '../setup/edges.ts';

let server: ServerProcess;
beforeAll(async () => {
  server = await startServer({ MODEL_REPOSITORY: inject('repository') });
});
afterAll(() => server.close());

// Clients that we did not write, in their own language, against the real server.
test('tritonclient and the KServe client work unmodified', { timeout: 300_000 }, async () => {
  const python = await ensureVenv();
  const env = { ...process.env, SERVER_ADDRESS: new URL(server.url).host, MODEL_REPOSITORY: inject('repository') };
  const { code, output } = await new Promise<{ code: unknown; output: string }>((resolve) => {
    execFile(python, ['-m', 'pytest', '-q', import.meta.dirname], { env }, (error, stdout, stderr) => {
      resolve({ code: error?.code ?? 0, output: stdout + stderr });
    });
  });
  expect(code, output).toBe(0);
  expect(output).toMatch(/\d{2,} passed/);
});
