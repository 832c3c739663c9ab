import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { servingImageContext } from '../../infra/images/serving-image.ts';
import { removeStagingFolders } from '../../infra/images/staging.ts';

const scratch = mkdtempSync(join(tmpdir(), 'serverless-onnx-task-'));
afterAll(() => {
  rmSync(scratch, { recursive: true });
  // A worker of vitest is ended without the event that would do it.
  removeStagingFolders();
});

function filesOf(folder: string): { path: string; bytes: number; mode: number; sha256: string }[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const { size, mode } = statSync(path);
      const sha256 = createHash('sha256').update(readFileSync(path)).digest('hex');
      return { path: relative(folder, path), bytes: size, mode: mode & 0o777, sha256 };
    })
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

describe.each([
  ['x86_64', 60, 0x3e],
  ['arm64', 40, 0xb7],
] as const)('the context for %s', (architecture, maxMegabytes, elfMachine) => {
  const folder = servingImageContext({ architecture });
  const files = filesOf(folder);
  const layers = files.filter(({ path }) => path !== 'Dockerfile');

  test(`is at most ${maxMegabytes} MB, and only what the function needs`, () => {
    const bytes = layers.reduce((total, file) => total + file.bytes, 0);
    expect(bytes).toBeLessThan(maxMegabytes * 1e6);
    const ours = layers.filter(({ path }) => !path.startsWith('runtime/node_modules/onnxruntime-'));
    const named = ours.map(({ path }) => path).filter((path) => !path.startsWith('app/parts/'));
    expect(named).toEqual(['app/judge.mjs', 'app/lambda.mjs']);
    expect(layers.filter(({ path }) => /\.(d\.ts|map|dll|dylib)$/.test(path))).toEqual([]);
  });

  test("has that architecture's ONNX Runtime, and no other", () => {
    const binaries = layers.filter(({ path }) => /\.(node|so\.\d+)$/.test(path));
    expect(binaries).toHaveLength(2);
    // e_machine of the ELF header.
    for (const { path } of binaries) expect(readFileSync(join(folder, path)).readUInt16LE(18)).toBe(elfMachine);
  });

  test('can be read by any user', () => {
    expect(files.filter(({ mode }) => mode !== 0o644)).toEqual([]);
  });

  test('is the same when it is made again', () => {
    expect(filesOf(servingImageContext({ architecture }))).toEqual(files);
  });
});

test('the Dockerfile only copies, so that no architecture needs emulation', () => {
  const text = readFileSync(join(import.meta.dirname, '../../functions/serve/Dockerfile'), 'utf8');
  const instructions = text.split('\n').flatMap((line) => /^[A-Z]+/.exec(line)?.[0] ?? []);
  expect([...new Set(instructions)]).toEqual(['ARG', 'FROM', 'LABEL', 'COPY', 'CMD']);
  expect(text).toContain('\nLABEL com.amazonaws.lambda.feature.snapstart="Allow"\n');
});

test('a baked repository is part of the context; of the samples, the images', () => {
  const files = filesOf(servingImageContext({ architecture: 'x86_64', bakedRepository: 'model-artifacts' }));
  const models = files.filter(({ path }) => path.startsWith('models/')).map(({ path }) => path);
  expect(models).toContain('models/digits/1/model.onnx');
  const samples = models.filter((path) => path.includes('samples'));
  expect(samples).toHaveLength(5);
  expect(samples.every((path) => path.endsWith('.png'))).toBe(true);
});

// The image is for Linux.
test.runIf(process.platform === 'linux')(
  "the bundle answers on this machine's Node, with nothing else beside it",
  () => {
    const architecture = process.arch === 'arm64' ? 'arm64' : 'x86_64';
    const context = servingImageContext({ architecture, bakedRepository: 'model-artifacts' });
    for (const part of ['runtime', 'app']) cpSync(join(context, part), scratch, { recursive: true });
    const body = readFileSync(join(import.meta.dirname, '../../model-artifacts/digits/samples/request.json'));
    writeFileSync(
      join(scratch, 'call.mjs'),
      `import { readFileSync } from 'node:fs';
     import { handler } from './lambda.mjs';
     const event = JSON.parse(readFileSync(0, 'utf8'));
     console.log(JSON.stringify(await handler(event, { awsRequestId: 'one' })));`,
    );
    const event = {
      httpMethod: 'POST',
      path: '/v2/models/digits/infer',
      multiValueHeaders: {},
      body: body.toString('base64'),
      isBase64Encoded: true,
    };
    const out = execFileSync(process.execPath, ['call.mjs'], {
      cwd: scratch,
      input: JSON.stringify(event),
      env: { MODEL_REPOSITORY: join(context, 'models'), AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '1769' },
      encoding: 'utf8',
    });
    const lines = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const result = lines.find((line) => 'statusCode' in line);
    expect(result.statusCode).toBe(200);
    expect(JSON.parse(result.body).outputs[0].data[0]).toMatch(/^0\.99\d*:7:7$/);
  },
);
