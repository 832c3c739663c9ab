import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensureVenv } from '../functions/cli/venv.ts';
import { startServer } from './setup/edges.ts';

const ROOT = join(import.meta.dirname, '..');
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');
const scripts = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).scripts as { [name: string]: string };
const run = promisify(execFile);

/** The code blocks of a language, in their order. */
function blocks(language: string): string[] {
  return Array.from(README.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms')), ([, code = '']) =>
    code.trim(),
  );
}

/** What needs AWS: the test of the deployment runs the signed call (test/e2e). */
const DEPLOY = blocks('sh').slice(2, -2);
/** test/cli/retrain-watch.test.ts runs the loop. */
const RETRAIN = blocks('sh').at(-2) ?? '';

describe('the commands of the README', () => {
  let url: string;
  const server = spawn('npm', ['start'], {
    cwd: ROOT,
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  beforeAll(async () => {
    for await (const line of createInterface(server.stdout)) {
      if (!line.startsWith('{')) continue;
      const { msg, url: found } = JSON.parse(line) as { msg: string; url: string };
      if (msg === 'serving') {
        url = found;
        break;
      }
    }
    server.stdout.resume();
  });
  afterAll(async () => {
    server.kill('SIGTERM');
    // 'close', not 'exit': npm itself ends at once, and the server when it has noticed.
    await once(server, 'close');
  });

  /** On the port that was free, instead of the README's. */
  const onPort = (command: string): string =>
    command.replaceAll('http://127.0.0.1:8080', url).replaceAll('127.0.0.1:8080', url.slice(7));

  test('the shell blocks are the two set-up lines and the call', () => {
    expect(blocks('sh')).toEqual([
      'npm ci && npm start',
      'curl -d @model-artifacts/digits/samples/request.json http://127.0.0.1:8080/v2/models/digits/infer',
      ...DEPLOY,
      RETRAIN,
      'npm ci && npm test',
    ]);
  });

  test('a model of your own: the PyTorch block makes it, and the call below is answered', {
    timeout: 300_000,
  }, async () => {
    const [, program = ''] = blocks('python');
    const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-task-'));
    await run(await ensureVenv(), ['-c', program], { cwd: folder });
    const edge = await startServer({ MODEL_REPOSITORY: join(folder, 'model-artifacts') });
    const call = (DEPLOY.at(-1) ?? '').replace(/^npm run connect &\n/, '').replace('http://127.0.0.1:8081', edge.url);
    const { stdout } = await run('bash', ['-c', call.replace('curl', 'curl -s')]);
    await edge.close();
    rmSync(folder, { recursive: true });
    expect(JSON.parse(stdout)).toMatchObject({ model_name: 'my-model', outputs: [{ name: 'scores', shape: [1, 3] }] });
  });

  test('of retraining there are five commands at most, which are there', async () => {
    const commands = [...RETRAIN.matchAll(/^npm run retrain -- (\w+)/gm)].map(([, name = '']) => name);
    expect(RETRAIN.split('\n').length).toBeLessThanOrEqual(5);
    expect(commands.length).toBeGreaterThan(2);
    const { stdout } = await run('npm', ['run', '--silent', 'retrain', '--', '--help'], { cwd: ROOT });
    for (const name of commands) expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
  });

  test('the call gets the answer that stands below it', async () => {
    const [, call = ''] = blocks('sh');
    const { stdout } = await run('bash', ['-c', onPort(call).replace('curl', 'curl -s')], { cwd: ROOT });
    const [shown = ''] = blocks('json');
    // The last digits of a probability may differ from one processor to the next.
    const rounded = (text: string): string => text.replace(/0\.\d{6}(?=:)/g, (number) => Number(number).toFixed(3));
    expect(rounded(stdout)).toBe(rounded(shown));
    expect(JSON.parse(stdout).outputs[0].data[0]).toMatch(/^0\.99\d+:7:7$/);
  });

  test('the Python block runs with the real tritonclient', async () => {
    const [program = ''] = blocks('python');
    const { stdout } = await run(await ensureVenv(), ['-c', onPort(program)]);
    expect(stdout.match(/\d\.\d+e?-?\d*/g)).toHaveLength(10);
  });

  test('commands inside the text work', async () => {
    expect(README).toContain('`curl http://127.0.0.1:8080/v2/models/my-model`');
    const { stdout } = await run('curl', ['-s', `${url}/v2/models/digits`]);
    expect(JSON.parse(stdout).inputs).toEqual([{ name: 'image', datatype: 'FP32', shape: [-1, 3, 32, 32] }]);
    for (const [, name = ''] of README.matchAll(/npm run ([\w:-]+)/g)) expect(scripts).toHaveProperty([name]);
  });
});

test('every link of the documents to a file of the repository leads somewhere', () => {
  for (const file of [
    'README.md',
    'CONTRIBUTING.md',
    'CHANGELOG.md',
    'docs/api.md',
    'docs/playground.md',
    'docs/models.md',
    'docs/training.md',
    'docs/retraining.md',
    'docs/decision.md',
    'docs/configuration.md',
    'docs/deployment.md',
    'docs/runbook.md',
    'docs/design.md',
  ]) {
    const text = readFileSync(join(ROOT, file), 'utf8');
    for (const [, target = ''] of text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
      expect(existsSync(join(ROOT, file, '..', target)), `${file} -> ${target}`).toBe(true);
    }
  }
});

test('CI runs what the README says', () => {
  const ci = readFileSync(join(ROOT, '.ci/run'), 'utf8');
  expect(ci).toMatch(/^npm ci\nnpm test$/m);
});
