// The training program as SageMaker runs it: by AWS's own toolkits, on one host and on two, and as it fails there.

import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { beforeAll, describe, expect, test } from 'vitest';
import { readImage } from '../../functions/adapters/image-file.ts';
import { labelledImages } from '../../functions/adapters/labelled-images.ts';
import { ensureVenv } from '../../functions/cli/venv.ts';
import { type Host, killHost, startTrainingJob } from '../setup/sagemaker.ts';

const TIMEOUT = 300_000;
const OUTPUT = ['config.pbtxt', 'golden.json', 'labels.txt', 'metrics.json', 'model.onnx', 'report.html', 'samples'];
let digits: string;

beforeAll(async () => {
  digits = mkdtempSync(join(tmpdir(), 'digits-'));
  await promisify(execFile)(await ensureVenv(), [join(import.meta.dirname, 'digits_folder.py'), digits]);
}, TIMEOUT);

const metricsOf = ({ folder }: Host) => JSON.parse(readFileSync(join(folder, 'model/metrics.json'), 'utf8'));

/** The share of the held-out digits that a job's model recognises, in the runtime that will serve it. */
async function accuracyOf({ folder }: Host): Promise<number> {
  const session = await InferenceSession.create(join(folder, 'model/model.onnx'));
  const labels = readFileSync(join(folder, 'model/labels.txt'), 'utf8').trimEnd().split('\n');
  const images = await labelledImages(join(digits, 'held-out'));
  let right = 0;
  for (const { path, label } of images) {
    const { width, height, rgb } = await readImage(join(digits, 'held-out', path));
    const planes = [0, 1, 2].flatMap((channel) => Array.from(rgb.filter((_, i) => i % 3 === channel)));
    const image = new Tensor(
      'float32',
      Float32Array.from(planes, (value) => value / 255),
      [1, 3, height, width],
    );
    const { probabilities } = await session.run({ image });
    const values = Array.from((probabilities as Tensor).data as Float32Array);
    if (labels[values.indexOf(Math.max(...values))] === label) right++;
  }
  return right / images.length;
}

describe('a job', () => {
  test('on one host: the model recognises 97 % of digits that it never saw', { timeout: TIMEOUT }, async () => {
    const hyperParameters = { name: '"1.50"', epochs: '15', nesterov: 'true', 'learning-rate': '0.02' };
    const [host] = (await startTrainingJob({ data: join(digits, 'training'), hyperParameters })) as [Host];
    const { code, output, failure } = await host.ended;
    expect({ code, failure }, output).toEqual({ code: 0, failure: '' });
    expect(readdirSync(join(host.folder, 'model')).sort()).toEqual(OUTPUT);
    expect(await accuracyOf(host)).toBeGreaterThanOrEqual(0.97);
    expect(metricsOf(host)).toMatchObject({
      // As the job definition writes a name, so that it stays one.
      model: '1.50',
      hyper_parameters: { epochs: 15, nesterov: true },
      data: { training_samples: 1151, held_out_samples: 287 },
    });
    // What the job definition's metrics look for.
    expect(output).toMatch(/\bloss=[0-9.]+/);
    expect(output).toMatch(/\bheld_out_accuracy=[0-9.]+/);
  });

  test('on two hosts: they train one model together, and one of them writes it', { timeout: TIMEOUT }, async () => {
    const hyperParameters = { name: 'digits', epochs: '12', 'batch-size': '32' };
    const hosts = ['127.0.0.1', '127.0.0.2'];
    const [first, second] = (await startTrainingJob({ data: join(digits, 'training'), hyperParameters, hosts })) as [
      Host,
      Host,
    ];
    const ended = await Promise.all([first.ended, second.ended]);
    expect(
      ended.map(({ code, failure }) => ({ code, failure })),
      ended.map(({ output }) => output).join('\n'),
    ).toEqual([
      { code: 0, failure: '' },
      { code: 0, failure: '' },
    ]);
    expect(readdirSync(join(first.folder, 'model')).sort()).toEqual(OUTPUT);
    expect(readdirSync(join(second.folder, 'model'))).toEqual([]);
    expect(await accuracyOf(first)).toBeGreaterThanOrEqual(0.97);
  });

  test('that was ended goes on from its checkpoints', { timeout: TIMEOUT }, async () => {
    const checkpoints = mkdtempSync(join(tmpdir(), 'checkpoints-'));
    const request = { data: join(digits, 'training'), hyperParameters: { epochs: '12' }, checkpoints };
    const [host] = (await startTrainingJob(request)) as [Host];
    const kept = join(host.folder, 'checkpoints/fold-0.pt');
    while (!existsSync(kept)) {
      expect(host.process.exitCode).toBeNull();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    // Capacity that is taken back: the toolkit does not pass SIGTERM on, and SIGKILL comes.
    killHost(host);
    await host.ended;
    const [again] = (await startTrainingJob({ ...request, checkpoints: join(host.folder, 'checkpoints') })) as [Host];
    const { code, output } = await again.ended;
    expect(code, output).toBe(0);
    expect(output).toContain('goes on after ');
    expect(output).not.toContain('epoch 1/12');
    expect(metricsOf(again).loss_per_epoch).toHaveLength(12);
  });
});

/** A data set of two digits, small enough to be trained in a second; `change` spoils it. */
function few(change: (folder: string) => void): string {
  const folder = mkdtempSync(join(tmpdir(), 'few-'));
  for (const digit of ['3', '7']) cpSync(join(digits, 'training', digit), join(folder, digit), { recursive: true });
  change(folder);
  return folder;
}

const HASH = '0'.repeat(64);

describe('a job that fails says why, and leaves no model', () => {
  test.each<[string, (folder: string) => void, { [name: string]: string }, RegExp]>([
    [
      'an empty channel',
      (folder) => {
        rmSync(folder, { recursive: true });
        mkdirSync(folder);
      },
      {},
      /holds 0 folders of images, expected 2 to 1000 classes/,
    ],
    ['one class', (folder) => rmSync(join(folder, '3'), { recursive: true }), {}, /holds 1 folders of images/],
    [
      'a file that is not what the manifest says',
      (folder) => {
        const [name] = readdirSync(join(folder, '3'));
        const files = [`3/${name}`, '7/none.png'].map((path) => ({ path, sha256: HASH }));
        writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ files }));
      },
      {},
      /^3\/\d+\.png has the sha256 [0-9a-f]{64}, expected 0{64} as manifest\.json says/,
    ],
    [
      'many files that are no images',
      (folder) => {
        for (let i = 0; i < 40; i++) writeFileSync(join(folder, '3', `broken-${i}.png`), `no image ${i}`);
      },
      {},
      /files of the data can't be used, the first as 3\/broken-0\.png, which can't be read as an image/,
    ],
    [
      'a loss that is no number',
      () => {},
      { 'learning-rate': '10', 'weight-decay': '1', epochs: '3' },
      /^the loss is nan after epoch 1, expected a finite number/,
    ],
    ['a wrong option', () => {}, { epochs: '0' }, /--epochs: got '0', expected an integer from 1 to 10000/],
  ])('%s', { timeout: TIMEOUT }, async (_, change, hyperParameters, sentence) => {
    const [host] = (await startTrainingJob({ data: few(change), hyperParameters })) as [Host];
    const { code, failure, output } = await host.ended;
    expect(code, output).not.toBe(0);
    expect(failure).toMatch(sentence);
    expect(failure).not.toContain('Traceback');
    expect(readdirSync(join(host.folder, 'model'))).toEqual([]);
  });

  test('a process that is lost: the others do not wait for it', { timeout: TIMEOUT }, async () => {
    const hyperParameters = { epochs: '10000' };
    const hosts = ['127.0.0.1', '127.0.0.2'];
    const [first, second] = (await startTrainingJob({ data: few(() => {}), hyperParameters, hosts })) as [Host, Host];
    const { stdout } = first.process;
    await new Promise<void>((resolve) => {
      let seen = '';
      stdout?.on('data', (chunk: Buffer) => {
        seen += chunk;
        if (seen.includes('epoch 2/')) resolve();
      });
      first.process.on('close', () => resolve());
    });
    killHost(second);
    const { code, failure, output } = await first.ended;
    expect(code, output).not.toBe(0);
    expect(failure, output).toMatch(/^a process that trains along was lost/);
    expect(readdirSync(join(first.folder, 'model'))).toEqual([]);
  });
});
