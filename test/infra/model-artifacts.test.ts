import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { modelArtifacts, modelNames } from '../../infra/model-artifacts.ts';

const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-artifacts-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('a deployment brings every file of every model, whatever letters its name has, and nothing else', () => {
  const models = [
    'a/1/model.onnx',
    'a/release.json',
    'a/samples/0.png',
    'resnet50.v2/1/model.onnx',
    'x_1-b/labels.txt',
  ];
  const others = [
    'README.md',
    '.cache/1/model.onnx',
    'a/.DS_Store',
    'a/samples/request.json',
    'two words/1/model.onnx',
  ];
  for (const path of [...models, ...others]) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), '');
  }
  const files = modelArtifacts(folder);
  expect(files.map(({ key }) => key)).toEqual(models);
  expect(modelNames(files)).toEqual(['a', 'resnet50.v2', 'x_1-b']);
});
