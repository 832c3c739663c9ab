import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CompiledFile, type Compiler, ModelRejected } from '../inference/ports.ts';
import type { ModelConfig } from '../protocol/model-config.ts';
import { fileContent } from './content.ts';
import { externalFiles } from './onnx-external-data.ts';
import { MAX_STATIC_BYTES } from './onnx-graph.ts';
import { runtimeTarget } from './onnxruntime-target.ts';
import { gainsByPrepacking } from './prepacking.ts';

/** The format's offsets have 31 bits. */
const MAX_BYTES = 2 * 1024 ** 3;
/** Of memory for each byte of the model: its weights as read, as laid out anew, and as written. Measured: 3.1. */
const MEMORY_SHARE = 4;
/** The operator that ends a part of a graph in blocked layout, of which every such graph has one. */
const BLOCKED_LAYOUT = Buffer.from('ReorderOutput');

/** Writes the model of `path` to `target`, in ONNX Runtime's own format. @throws ModelRejected */
export type CompileTo = (path: string, config: ModelConfig, target: string) => Promise<void>;

/**
 * Makes files in ONNX Runtime's own format, in a temporary folder each.
 *
 * Models of up to MAX_STATIC_BYTES are left alone: they load in milliseconds, and the inline lane is decided from the plain
 * file.
 */
export class OrtCompiler implements Compiler {
  readonly #compileTo: CompileTo;
  readonly #minBytes: number;

  constructor(compileTo: CompileTo, minBytes = MAX_STATIC_BYTES) {
    this.#compileTo = compileTo;
    this.#minBytes = minBytes;
  }

  async compile(path: string, config: ModelConfig, bytes: number): Promise<CompiledFile | string> {
    if (bytes <= this.#minBytes)
      return `a model of ${bytes} bytes loads as fast without; from ${this.#minBytes} on it gains`;
    if (bytes >= MAX_BYTES) return `it has ${bytes} bytes; the format holds less than ${MAX_BYTES}`;
    const memory = freemem();
    if (memory < MEMORY_SHARE * bytes) return `it takes ${MEMORY_SHARE * bytes} bytes of memory; ${memory} are free`;
    const folder = await mkdtemp(join(tmpdir(), 'serverless-onnx-compile-'));
    const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
    try {
      const target = join(folder, 'model.ort');
      await this.#compileTo(path, config, target);
      const simd = (await holds(target, BLOCKED_LAYOUT)) ? runtimeTarget().simd : 'none';
      if (simd === undefined)
        throw new ModelRejected("its layout depends on this machine's vector units, which are not known");
      const data = await externalFiles(path);
      const made = { path: target, file: await fileContent(target), target: { ...runtimeTarget(), simd }, remove };
      return { ...made, data, prepacking: gainsByPrepacking(path) };
    } catch (error) {
      await remove();
      throw error;
    }
  }
}

async function holds(path: string, wanted: Buffer): Promise<boolean> {
  let end: Buffer<ArrayBufferLike> = Buffer.alloc(0);
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Buffer>) {
    if (chunk.includes(wanted) || Buffer.concat([end, chunk.subarray(0, wanted.length)]).includes(wanted)) return true;
    end = chunk.subarray(1 - wanted.length);
  }
  return false;
}
