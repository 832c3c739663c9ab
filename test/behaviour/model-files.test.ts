import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Client, EDGES } from '../setup/edges.ts';

const DIGITS = join(import.meta.dirname, '../../model-artifacts/digits');
const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-files-'));
const RELEASE = '{"live":"1"}\n';

beforeAll(() => {
  cpSync(DIGITS, join(folder, 'digits'), { recursive: true });
  writeFileSync(join(folder, 'digits/release.json'), RELEASE);
  const samples = join(folder, 'digits/samples');
  for (const name of ['vector.svg', '.hidden.png']) writeFileSync(join(samples, name), '<svg/>');
  writeFileSync(join(samples, 'huge.png'), Buffer.alloc(4 * 1024 ** 2 + 1));
  symlinkSync(join(folder, 'digits/config.pbtxt'), join(samples, 'link.png'));
  mkdirSync(join(folder, 'bare/1'), { recursive: true });
  cpSync(join(DIGITS, '1/model.onnx'), join(folder, 'bare/1/model.onnx'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe.each(EDGES)('the files of a model through $name', (edge) => {
  let client: Client;
  beforeAll(async () => {
    client = await edge.open({ MODEL_REPOSITORY: folder });
  });
  afterAll(() => client.close());
  const get = (path: string) => client.call(`/v2/models/${path}`);
  const error = async (path: string): Promise<[number, string]> => {
    const { status, text } = await get(path);
    return [status, JSON.parse(text).error];
  };

  test('release.json and metrics.json come as they are', async () => {
    const release = await get('digits/release');
    expect([release.status, release.headers.get('content-type'), release.text]).toEqual([
      200,
      'application/json',
      RELEASE,
    ]);
    const metrics = await get('digits/versions/1/metrics');
    expect([metrics.status, metrics.headers.get('content-type')]).toEqual([200, 'application/json']);
    expect(metrics.bytes).toEqual(readFileSync(join(DIGITS, '1/metrics.json')));
  });

  test('the report is a page in a sandbox', async () => {
    const { status, headers, bytes } = await get('digits/versions/1/report');
    expect([status, headers.get('content-type'), headers.get('x-content-type-options')]).toEqual([
      200,
      'text/html; charset=utf-8',
      'nosniff',
    ]);
    expect(headers.get('content-security-policy')).toMatch(/^sandbox; default-src 'none';/);
    expect(headers.get('content-security-policy')).not.toMatch(/script|allow-/);
    expect(bytes).toEqual(readFileSync(join(DIGITS, '1/report.html')));
  });

  test('samples are the images of the folder: no links, no SVG, nothing that is hidden', async () => {
    const { samples } = JSON.parse((await get('digits/samples')).text);
    expect(samples).toEqual(['five.png', 'huge.png', 'seven.png', 'three.png', 'two.png', 'zero.png']);
    const image = await get('digits/samples/five.png');
    expect([image.status, image.headers.get('content-type')]).toEqual([200, 'image/png']);
    expect(image.bytes).toEqual(readFileSync(join(DIGITS, 'samples/five.png')));
    expect(JSON.parse((await get('bare/samples')).text)).toEqual({ samples: [] });
  });

  test('what is not there, or is no image, is a 404 with a sentence', async () => {
    expect(await error('bare/release')).toEqual([404, "'bare' has no release.json"]);
    expect(await error('bare/versions/1/metrics')).toEqual([404, "'bare' has no 1/metrics.json"]);
    expect(await error('bare/versions/1/report')).toEqual([404, "'bare' has no 1/report.html"]);
    expect(await error('digits/samples/nine.png')).toEqual([404, "'digits' has no samples/nine.png"]);
    expect(await error('digits/samples/link.png')).toEqual([404, "'digits' has no samples/link.png"]);
    for (const name of ['request.json', 'vector.svg', '.hidden.png', '..%2f1%2fx.png', '%2e%2e%5cx.png']) {
      expect(await error(`digits/samples/${name}`)).toEqual([404, expect.stringContaining('no sample has the name')]);
    }
    for (const path of ['none/release', 'none/samples', 'digits/versions/2/metrics', 'digits/versions/01/report']) {
      expect(await error(path)).toEqual([404, expect.stringMatching(/^Request for unknown model/)]);
    }
  });

  test('a file that Lambda could not answer with is refused with its size', async () => {
    expect(await error('digits/samples/huge.png')).toEqual([
      413,
      "samples/huge.png of 'digits' is too large: got 4194305 bytes; expected at most 4194304",
    ]);
  });

  test('only GET is allowed', async () => {
    const { status, headers } = await client.call('/v2/models/digits/samples', { method: 'POST' });
    expect([status, headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });
});
