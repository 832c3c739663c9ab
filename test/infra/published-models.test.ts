import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { WrongConfig } from '../../infra/config.ts';
import type { ArtifactFile } from '../../infra/model-artifacts.ts';
import { checkPublished } from '../../infra/published-models.ts';

const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-published-'));
afterAll(() => rmSync(folder, { recursive: true }));

const [ONE, OTHER] = ['1', '2'].map((digit) => digit.repeat(64)) as [string, string];

/** A file of model-artifacts with that sha256. */
function file(key: string, sha256 = ONE, text = ''): ArtifactFile {
  const path = join(folder, key.replaceAll('/', '-'));
  writeFileSync(path, text);
  return { path, key, bytes: text.length, sha256 };
}

function release(sha256: { [path: string]: string }): ArtifactFile {
  const event = { id: '1', action: 'publish', version: '1', at: '2026-01-01T00:00:00Z', by: 'me', sha256 };
  // Of version 2 there is only this: what was taken out of the folder is not missed.
  const history = [event, { ...event, version: '2' }];
  return file('a/release.json', OTHER, JSON.stringify({ live: '1', history }));
}

test('what is as it was published passes, and so does what nobody has published', () => {
  const files = [file('a/1/model.onnx'), file('a/1/compiled/model.ort', OTHER), file('b/1/model.onnx')];
  checkPublished([release({ 'model.onnx': ONE, 'compiled/model.ort': OTHER }), ...files]);
});

test.each([
  [
    'changed',
    [file('a/1/model.onnx', OTHER)],
    `model-artifacts/a: 1/model.onnx has sha256 ${OTHER}; release.json says that it was published with ${ONE}`,
  ],
  [
    'missing',
    [file('a/1/golden.json')],
    `model-artifacts/a: 1/model.onnx is missing; release.json says that it was published with ${ONE}`,
  ],
])('a file that is %s stops the deployment', (_, files, message) => {
  const check = (): void => checkPublished([release({ 'model.onnx': ONE }), ...files]);
  expect(check).toThrow(WrongConfig);
  expect(check).toThrow(message);
});

test('a release.json that is none is named', () => {
  const files = [file('a/release.json', ONE, '{"live": 1}'), file('a/1/model.onnx')];
  expect(() => checkPublished(files)).toThrow('model-artifacts/a: release.json: live is 1; expected a version');
});
