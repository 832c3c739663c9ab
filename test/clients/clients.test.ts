import { execFile } from 'node:child_process';
import { cpSync } from 'node:fs';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { ensureVenv } from '../../functions/cli/venv.ts';
import { type ServerProcess, startServer } from '../setup/edges.ts';
import { madeRepository } from '../setup/repository.ts';

const { folder, model, remove } = madeRepository(() => inject('repository'));
let server: ServerProcess;
let explicit: ServerProcess;
beforeAll(async () => {
  cpSync(inject('repository'), folder, { recursive: true });
  const tensor = (name: string): string =>
    `{ name: "${name}" data_type: TYPE_FP32 dims: [ 2, 2 ] reshape { shape: [ 4 ] } }`;
  model('reshaped', 'identity_fp32', `max_batch_size: 8 input [ ${tensor('INPUT0')} ] output [ ${tensor('OUTPUT0')} ]`);
  model(
    'batching',
    'reflections',
    'max_batch_size: 8 dynamic_batching { preferred_batch_size: [ 8 ] max_queue_delay_microseconds: 3000000 }',
  );
  model(
    'planted_image',
    'planted',
    'max_batch_size: 8 input [ { name: "INPUT0" data_type: TYPE_FP32 dims: [ 1, 16, 16 ] format: FORMAT_NCHW } ] ' +
      'output [ { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ 1 ] } ]',
  );
  server = await startServer({ MODEL_REPOSITORY: folder });
  explicit = await startServer({ MODEL_REPOSITORY: folder, MODEL_CONTROL: 'explicit' });
});
afterAll(async () => {
  await Promise.all([server.close(), explicit.close()]);
  remove();
});

// Clients that we did not write, in their own language, against the real server.
test('tritonclient and the KServe client work unmodified', { timeout: 900_000 }, async () => {
  const python = await ensureVenv();
  const env = {
    ...process.env,
    // Hypothesis' choices come from a fixed seed; what the tests choose by hash should as well.
    PYTHONHASHSEED: '0',
    SERVER_ADDRESS: new URL(server.url).host,
    EXPLICIT_SERVER_ADDRESS: new URL(explicit.url).host,
    MODEL_REPOSITORY: folder,
  };
  const { code, output } = await new Promise<{ code: unknown; output: string }>((resolve) => {
    execFile(python, ['-m', 'pytest', '-q', import.meta.dirname], { env }, (error, stdout, stderr) => {
      resolve({ code: error?.code ?? 0, output: stdout + stderr });
    });
  });
  expect(code, output).toBe(0);
  expect(output).toMatch(/\d{2,} passed/);
});
