import { chmodSync, copyFileSync, cpSync, mkdirSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { isForServing } from '../model-artifacts.ts';
import { bundleInParts, bundlePackage } from './bundle.ts';
import { stagingFolder } from './staging.ts';

export type ServingImageOptions = {
  readonly architecture: 'x86_64' | 'arm64';
  /** A folder of models that becomes part of the image, as /var/task/models. */
  readonly bakedRepository?: string;
};

const ROOT = join(import.meta.dirname, '../..');
/** A new model is judged by the very ONNX Runtime that would serve it. */
const HANDLERS = { lambda: 'functions/serve/lambda.ts', judge: 'functions/retrain/lambda/judge.ts' };
/** The folders of onnxruntime-node's binaries. */
const BINARIES = { x86_64: 'linux/x64', arm64: 'linux/arm64' };

/**
 * Makes the Docker build context of the Lambda function's image: the Dockerfile, a file of our code for each handler, and ONNX
 * Runtime for one platform of the five in its package. The same inputs give the same files.
 *
 * @returns the context's folder
 */
export function servingImageContext({ architecture, bakedRepository }: ServingImageOptions): string {
  const context = stagingFolder();
  copyFileSync(join(ROOT, 'functions/serve/Dockerfile'), join(context, 'Dockerfile'));
  // One by one: what both import would be more files, and longer to read at a start.
  for (const [name, entry] of Object.entries(HANDLERS)) {
    bundleInParts(entry, join(context, 'app'), name, ['onnxruntime-node']);
  }
  copyRuntime(join(context, 'runtime/node_modules'), BINARIES[architecture]);
  if (bakedRepository === undefined) mkdirSync(join(context, 'models'));
  else cpSync(resolve(ROOT, bakedRepository), join(context, 'models'), { recursive: true, filter: isForServing });
  makeReadable(context);
  return context;
}

/** ONNX Runtime's package for one platform, its own code in one file: 25 would be looked up and read at each start. */
function copyRuntime(modules: string, platform: string): void {
  const entry = createRequire(import.meta.url).resolve('onnxruntime-node');
  const from = dirname(dirname(entry));
  const to = join(modules, 'onnxruntime-node');
  bundlePackage(entry, join(to, relative(from, entry)), ['InferenceSession', 'Tensor']);
  for (const path of ['package.json', `bin/napi-v6/${platform}`]) {
    cpSync(join(from, path), join(to, path), { recursive: true });
  }
}

/** Lambda runs the function as a user of its own, whatever the umask of the one who deploys. */
function makeReadable(folder: string): void {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    chmodSync(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o644);
  }
}
