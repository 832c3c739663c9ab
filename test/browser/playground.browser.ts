import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { httpServer } from '../../functions/adapters/http-server.ts';
import { playgroundPage } from '../../functions/adapters/playground-page.ts';
import { signingProxy } from '../../functions/cli/signing-proxy.ts';
import { ensureVenv } from '../../functions/cli/venv.ts';
import { decodeResponse } from '../../functions/playground/wire.ts';
import { type ServerProcess, startServer } from '../setup/edges.ts';
import { DIGITS, draw, launch, type Opened, open } from './chromium.ts';
import { browserRepository } from './repository.ts';

const ROOT = join(import.meta.dirname, '../..');
const SAMPLES = ['five', 'seven', 'three', 'two', 'zero'];
const DIGIT = { five: '5', seven: '7', three: '3', two: '2', zero: '0' } as { [name: string]: string };
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const run = promisify(execFile);

let browser: Browser;
let server: ServerProcess;
let removeRepository: () => void;
let folder: string;
let opened: Opened | undefined;

beforeAll(async () => {
  ({ folder, remove: removeRepository } = await browserRepository());
  [browser, server] = await Promise.all([launch(), startServer({ MODEL_REPOSITORY: folder })]);
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
  removeRepository?.();
});
afterEach(async () => {
  await opened?.close();
  opened = undefined;
});

async function openModel(model: string, options: BrowserContextOptions = {}, url = server.url): Promise<Page> {
  opened = await open(browser, `${url}/#/${model}`, options);
  const { page } = opened;
  // Without a version one of ten requests would go to the canary.
  if (model === 'digits') await page.getByLabel('Version', { exact: true }).selectOption('1');
  return page;
}

const firstClass = (page: Page, answer = 0): Locator =>
  page.locator('.one-answer').nth(answer).locator('.bar-label').first();

async function expectText(locator: Locator, text: string | RegExp): Promise<void> {
  await locator.first().waitFor();
  await expect.poll(() => locator.first().innerText(), { timeout: 20_000 }).toMatch(text);
}

const exactly = (text: string): RegExp => new RegExp(`^${text}$`);
const answerOf = (page: Page): Locator => page.getByRole('region', { name: 'Answer' });

async function drawn(page: Page, digit: number): Promise<void> {
  await page.getByRole('button', { name: 'Clear' }).click();
  await draw(page, DIGITS[digit] as (typeof DIGITS)[number]);
  await expectText(firstClass(page), exactly(String(digit)));
}

/** Of what axe finds, that which keeps people from using the page. */
async function seriousIssues(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    type Found = { id: string; impact: string; nodes: { html: string }[] };
    const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: Found[] }> } };
    const { violations } = await axe.run();
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
  });
}

describe('a model of pictures', () => {
  test('its page says what it is: live and canary version, accuracy, inputs, outputs, size, releases, latency', async () => {
    const page = await openModel('digits');
    await page.locator('canvas.pad').waitFor();
    const head = await page.locator('.head').innerText();
    for (const part of ['live: 1', 'canary: 2 on 10.0 %', '99.7 %', '358 of 359', 'image FP32 [any, 3, 32, 32]', ' kB'])
      expect(head).toContain(part);
    await expectText(page.locator('.models a[aria-current]'), /digits\s+ready\s+live 1 · canary 2 · 99\.7 %/);
    expect(await page.getByRole('region', { name: 'Releases', exact: true }).innerText()).toContain('more sevens');
    await drawn(page, 7);
    await expectText(page.getByRole('region', { name: 'Latency' }), /\d+ requests?, /);
    await page.getByText('Training report of version 1').click();
    await page.frameLocator('iframe').getByText('358 of 359').waitFor();
    // A frame without scripts says so.
    expect(opened?.problems.filter((problem) => !problem.includes('Blocked script execution'))).toEqual([]);
  });

  test('a drawn digit is the first class, whichever it is', async () => {
    const page = await openModel('digits');
    await page.locator('canvas.pad').waitFor();
    // Each stroke is sent: two of the digits have two.
    for (const digit of DIGITS.keys()) await drawn(page, digit);
    await expectText(answerOf(page).locator('.split').first(), /network .*ms.*queue .*ms.*compute .*ms/s);
    expect(await page.getByRole('group', { name: 'Earlier tries' }).getByRole('button').count()).toBe(12);
    expect(opened?.problems).toEqual([]);
  });

  test('each committed sample, uploaded and chosen, and one that is pasted', async () => {
    const page = await openModel('digits');
    for (const name of SAMPLES) {
      await page.locator('input[type=file]').setInputFiles(join(ROOT, `model-artifacts/digits/samples/${name}.png`));
      await expectText(firstClass(page), exactly(DIGIT[name] as string));
      await page.getByRole('button', { name: 'Clear' }).click();
      await page.getByRole('button', { name: `Sample ${name}.png` }).click();
      await expectText(firstClass(page), exactly(DIGIT[name] as string));
    }
    const bytes = [...readFileSync(join(ROOT, 'model-artifacts/digits/samples/three.png'))];
    await page.evaluate((values) => {
      const { DataTransfer, ClipboardEvent, File, document } = globalThis as unknown as {
        DataTransfer: new () => { items: { add(file: object): void } };
        ClipboardEvent: new (type: string, init: object) => object;
        File: typeof globalThis.File;
        document: { dispatchEvent(event: object): void };
      };
      const clipboardData = new DataTransfer();
      clipboardData.items.add(new File([new Uint8Array(values)], 'three.png', { type: 'image/png' }));
      document.dispatchEvent(new ClipboardEvent('paste', { clipboardData }));
    }, bytes);
    await expectText(firstClass(page), /^3$/);
    await page.locator('input[type=file]').setInputFiles(join(ROOT, 'package.json'));
    await expectText(page.getByRole('alert'), /^'package\.json' is no picture that this browser can read/);
    expect(opened?.problems).toEqual([]);
  });

  test('two versions answer the same drawing side by side', async () => {
    const page = await openModel('digits');
    await page.getByLabel('Compare with').selectOption('2');
    await drawn(page, 7);
    await expectText(page.locator('.one-answer').nth(1), /^Version 2/);
    await expectText(page.locator('.one-answer').nth(0), /^Version 1/);
    await expectText(answerOf(page), /Largest difference: probabilities 0\.\d+|e-/);
  });

  test.each(['occlusion', 'kernel_shap'])(
    'the picture of %s equals the tensor that the API returns',
    async (method) => {
      const page = await openModel('digits');
      await page.getByRole('button', { name: 'Sample seven.png' }).click();
      await expectText(firstClass(page), /^7$/);
      await page.getByLabel('Method').selectOption(method);
      const [response] = await Promise.all([
        page.waitForResponse((reply) => reply.url().endsWith('/explain')),
        page.getByRole('button', { name: 'Explain' }).click(),
      ]);
      await page.locator('.heat-map').waitFor();
      // The same request, without a browser.
      const request = response.request();
      const reply = await server.call(new URL(request.url()).pathname, {
        headers: { 'Inference-Header-Content-Length': request.headers()['inference-header-content-length'] ?? '' },
        body: request.postDataBuffer() as Buffer,
      });
      const { outputs, parameters } = decodeResponse(
        new Uint8Array(reply.bytes),
        Number(reply.headers.get('Inference-Header-Content-Length')),
      );
      expect(parameters).toMatchObject({ method, target_label: '7' });
      const data = outputs[0]?.data as Float32Array;
      const sums = Array.from({ length: 1024 }, (_, i) =>
        [0, 1, 2].reduce((sum, c) => sum + Number(data[c * 1024 + i]), 0),
      );
      const strongest = Math.max(...sums.map(Math.abs));
      const expected = sums.flatMap((sum) => {
        const share = Math.abs(sum) / strongest;
        const colour = sum >= 0 ? [230, 97, 1] : [38, 102, 207];
        return [...colour.map((value) => Math.round(255 + (value - 255) * share)), 255];
      });
      const shown = await page.locator('.heat-map').evaluate((canvas) => {
        type Context = { getImageData(...box: number[]): { data: Uint8ClampedArray } };
        const context = (canvas as unknown as { getContext(kind: '2d'): Context }).getContext('2d');
        return [...context.getImageData(0, 0, 32, 32).data];
      });
      expect(strongest).toBeGreaterThan(0);
      expect(shown).toEqual(expected);
    },
  );

  test('with the keyboard alone: a one is drawn, a sample chosen, the answer explained', async () => {
    const page = await openModel('digits');
    await page.locator('.sample').first().waitFor();
    const focused = (): Promise<string> =>
      page
        .locator(':focus')
        .evaluate((element) => `${element.getAttribute('aria-label')} ${element.textContent} ${element.innerHTML}`);
    const tabTo = async (name: RegExp): Promise<void> => {
      for (let presses = 0; presses < 60; presses++) {
        await page.keyboard.press('Tab');
        if (name.test(await focused())) return;
      }
      throw new Error(`Tab does not lead to ${name}`);
    };
    await tabTo(/Skip to the model/);
    await page.keyboard.press('Enter');
    await tabTo(/Drawing area/);
    for (let steps = 0; steps < 10; steps++) await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Space');
    for (let steps = 0; steps < 20; steps++) await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Space');
    await expectText(firstClass(page), /^1$/);
    await tabTo(/Sample two\.png/);
    await page.keyboard.press('Enter');
    await expectText(firstClass(page), /^2$/);
    await tabTo(/Explain/);
    await page.keyboard.press('Enter');
    await page.locator('.heat-map').waitFor();
  });
});

describe('the code that is copied', () => {
  async function codes(page: Page): Promise<{ [language: string]: string }> {
    const found: { [language: string]: string } = {};
    for (const language of ['curl', 'Python', 'TypeScript']) {
      await page.getByRole('button', { name: language, exact: true }).click();
      found[language] = (await page.locator('.code code').textContent()) ?? '';
    }
    await page.getByRole('button', { name: 'Copy' }).click();
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(found.TypeScript);
    return found;
  }

  async function outputs({
    curl = '',
    Python = '',
    TypeScript = '',
  }: {
    [language: string]: string;
  }): Promise<string[]> {
    const place = mkdtempSync(join(tmpdir(), 'serverless-onnx-code-'));
    writeFileSync(join(place, 'call.ts'), TypeScript);
    const python = await ensureVenv();
    try {
      const commands = [
        run('bash', ['-c', `${curl.replace('curl ', 'curl -s ')}`]),
        run(python, ['-c', Python]),
        run(process.execPath, [join(place, 'call.ts')]),
      ];
      return (await Promise.all(commands)).map(({ stdout }) => stdout);
    } finally {
      rmSync(place, { recursive: true });
    }
  }

  test('runs, for a picture and for numbers', async () => {
    const permissions = ['clipboard-read', 'clipboard-write'];
    const page = await openModel('digits', { permissions });
    await page.getByRole('button', { name: 'Sample seven.png' }).click();
    await expectText(firstClass(page), /^7$/);
    for (const output of await outputs(await codes(page))) expect(output).toMatch(/0\.99\d*:7:7/);
    await opened?.close();
    const form = await openModel('add_sub', { permissions });
    await form.getByLabel('INPUT0, element 1', { exact: true }).fill('41');
    await form.getByLabel('INPUT1, element 1', { exact: true }).fill('1');
    await form.getByRole('button', { name: 'Send' }).click();
    await expectText(answerOf(form), /\[0\]\s+42\s+0/);
    const [curl, python, typescript] = await outputs(await codes(form));
    expect(curl).toContain('"data":[42,0,');
    expect(python).toMatch(/OUTPUT0 \[\[42\s+0/);
    // Bytes of a datatype that it has no array for are shown as they are.
    expect(typescript).toMatch(/OUTPUT0 INT32 \[ 1, 16 \] Uint8Array\(64\) \[\s*42,/);
  });
});

describe('a model of anything else', () => {
  test('several inputs, and integers of 64 bits', async () => {
    const page = await openModel('expand');
    await page.getByLabel('INPUT0, element 1').fill('2.5');
    await page.getByLabel('SHAPE, element 1').fill('2');
    await page.getByLabel('SHAPE, element 2').fill('3');
    await page.getByRole('button', { name: 'Send' }).click();
    await expectText(answerOf(page), /OUTPUT0, FP32 \[2, 3\]\s+\[0\]\s+2\.5\s+2\.5\s+2\.5\s+\[3\]\s+2\.5/);
    await opened?.close();
    const whole = await openModel('identity_int64');
    await whole.getByLabel('INPUT0, element 1').fill('9223372036854775807');
    await whole.getByRole('button', { name: 'Send' }).click();
    await expectText(answerOf(whole), /9223372036854775807/);
  });

  test('texts, of a shape that is chosen', async () => {
    const page = await openModel('identity_bytes');
    await page.getByLabel('INPUT0: size of dimension 2').fill('2');
    await page.getByLabel('INPUT0, element 1').fill('Grüße, 世界');
    await page.getByLabel('INPUT0, element 2').fill('{"a": 1}');
    await page.getByRole('button', { name: 'Send' }).click();
    await expectText(answerOf(page), /OUTPUT0, BYTES \[1, 2\]\s+\[0\]\s+Grüße, 世界\s+\{"a": 1\}/);
  });

  test('a pasted request, and a row of numbers as a line', async () => {
    const page = await openModel('identity_fp32');
    await page.getByRole('button', { name: 'JSON' }).click();
    const data = Array.from({ length: 60 }, (_, i) => Math.sin(i / 5));
    const inputs = [{ name: 'INPUT0', datatype: 'FP32', shape: [1, 60], data }];
    await page.getByLabel('A request of the Open Inference Protocol').fill(JSON.stringify({ inputs }));
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByRole('img', { name: /^OUTPUT0: 60 values from -0\.99\d+ to 0\.99\d+$/ }).waitFor();
  });

  test('what is wrong is told in a sentence: here, by the model, by the server, and when there is none', async () => {
    const page = await openModel('identity_int64');
    await page.getByLabel('INPUT0, element 1').fill('1.5');
    await expectText(page.getByRole('alert'), /INPUT0.*expected/);
    expect(await page.getByRole('button', { name: 'Send' }).isDisabled()).toBe(true);
    await page.goto(`${server.url}/#/failing`);
    await page.getByLabel('INPUT0, element 1').waitFor();
    await page.getByRole('button', { name: 'Send' }).click();
    await expectText(answerOf(page).getByRole('alert'), /\w+ \w+/);
    await page.goto(`${server.url}/#/corrupt`);
    await expectText(page.getByRole('alert'), /'corrupt' .*the model file is no ONNX model$/);
    await page.goto(`${server.url}/#/nothing`);
    await expectText(page.getByRole('alert'), /^Request for unknown model: 'nothing'/);
    await page.goto(`${server.url}/#/add_sub`);
    await page.getByLabel('INPUT0, element 1', { exact: true }).waitFor();
    await page.context().setOffline(true);
    await page.getByRole('button', { name: 'Send' }).click();
    await expectText(page.getByRole('alert'), /^the server can't be reached; is it still running\?$/);
  });

  test('many models are searched', async () => {
    const page = await openModel('add_sub');
    await page.getByLabel('Search models').fill('INT6');
    await expect
      .poll(() => page.locator('.models li .name').allInnerTexts())
      .toEqual(['identity_int64', 'identity_uint64'].filter((name) => name.includes('int6')));
    await page.getByRole('link', { name: /identity_uint64/ }).click();
    await page.getByRole('heading', { name: 'identity_uint64' }).waitFor();
  });
});

describe('anybody can use it', () => {
  const views: [string, string, BrowserContextOptions][] = [
    ['light', 'digits', {}],
    ['dark', 'digits', { colorScheme: 'dark' }],
    ['phone', 'digits', { viewport: { width: 390, height: 844 }, hasTouch: true, deviceScaleFactor: 2 }],
    ['form', 'add_sub', {}],
    ['form-dark', 'identity_bytes', { colorScheme: 'dark', viewport: { width: 390, height: 844 } }],
  ];
  test.each(views)(
    '%s: axe finds nothing serious, nothing is wider than the window; a screenshot is kept',
    async (name, model, options) => {
      const page = await openModel(model, options);
      if (model === 'digits') {
        await page.getByRole('button', { name: 'Sample seven.png' }).click();
        await expectText(firstClass(page), /^7$/);
        await page.getByRole('button', { name: 'Explain' }).click();
        await page.locator('.heat-map').waitFor();
      } else {
        await page.getByRole('button', { name: 'Send' }).click();
        await page.locator('.one-answer').waitFor();
      }
      expect(await seriousIssues(page)).toEqual([]);
      expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
      await page.screenshot({ path: join(import.meta.dirname, `screenshots/${name}.png`), fullPage: true });
    },
  );
});

test('with API_TOKEN the page asks for it, and keeps it no longer than the tab', async () => {
  const token = 'a-token-of-enough-length';
  const locked = await startServer({ MODEL_REPOSITORY: folder, API_TOKEN: token, PRELOAD_MODELS: 'digits' });
  try {
    const page = await openModel('', {}, locked.url);
    await page.getByLabel('Token').fill('wrong');
    await page.getByRole('button', { name: 'Open' }).click();
    await expectText(page.getByRole('alert'), /not right/);
    await page.getByLabel('Token').fill(token);
    await page.getByRole('button', { name: 'Open' }).click();
    await page.getByRole('link', { name: /^digits/ }).click();
    await page.getByLabel('Version', { exact: true }).selectOption('1');
    await page.getByRole('button', { name: 'Sample seven.png' }).click();
    await expectText(firstClass(page), /^7$/);
    await page.getByText('Training report of version 1').click();
    await page.getByRole('link', { name: 'Download the report' }).waitFor();
    expect(await page.evaluate('[document.cookie, localStorage.length]')).toEqual(['', 0]);
    expect(await seriousIssues(page)).toEqual([]);
  } finally {
    await opened?.close();
    opened = undefined;
    await locked.close();
  }
});

test('through the signing proxy the same page comes from this machine', async () => {
  const credentials = async () => ({ accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' });
  const upstream = { url: new URL(server.url), region: 'eu-west-1', credentials };
  const proxy = httpServer(signingProxy(upstream, playgroundPage));
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  try {
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const page = await openModel('digits', {}, url);
    await page.locator('canvas.pad').waitFor();
    await drawn(page, 7);
    expect(opened?.problems).toEqual([]);
  } finally {
    await opened?.close();
    opened = undefined;
    proxy.close();
  }
});
