import { basename } from 'node:path';
import * as ort from 'onnxruntime-node';
import { ModelRejected } from '../inference/ports.ts';
import { DATATYPES, type Datatype, datatypeOfOrt } from '../protocol/datatypes.ts';
import { InvalidRequest } from '../protocol/errors.ts';
import type { TensorMetadata } from '../protocol/messages.ts';
import type { ModelConfig } from '../protocol/model-config.ts';
import type { Tensor } from '../protocol/tensor.ts';
import { externalFiles } from './onnx-external-data.ts';

// Since 1.29 it tells Microsoft about every session (models' names and hashes among it), unless this is set before the first.
process.env.ORT_DISABLE_TELEMETRY = '1';

/** Triton's `optimization.graph.level`; anything else means all optimisations. */
const GRAPH_LEVELS: { readonly [level: number]: 'basic' | 'extended' | 'disabled' } = {
  [-1]: 'basic',
  1: 'extended',
  2: 'disabled',
};

/** The file is mapped into memory, and weights are read where they are: processes have them in common. */
const IN_PLACE = {
  'session.use_memory_mapped_ort_model': '1',
  'session.use_ort_model_bytes_for_initializers': '1',
};

/**
 * No spinning: a spinning thread burns 20 ms of CPU after a run of 0.7 ms. Nothing is logged by the library, whose lines
 * would hold paths. A model's configuration may say otherwise, under the names that Triton's ONNX Runtime backend gives
 * its parameters.
 */
function sessionOptions(
  { optimization, parameters = {} }: ModelConfig,
  threads: number,
  isCompiled: boolean,
): ort.InferenceSession.SessionOptions {
  const text = (name: string): string | undefined => parameters[name]?.string_value;
  const integer = (name: string, fallback: number): number => {
    const found = text(name);
    if (found === undefined) return fallback;
    const value = /^\d{1,4}$/.test(found) ? Number(found) : -1;
    if (value < 0) throw new ModelRejected(`config.pbtxt's parameter ${name} is '${found}'; expected a small integer`);
    // 0 lets ONNX Runtime take every core, which other models' processes want as well.
    return value || fallback;
  };
  const entries = Object.keys(parameters).filter((name) => name.startsWith('session.'));
  return {
    intraOpNumThreads: integer('intra_op_thread_count', threads),
    interOpNumThreads: integer('inter_op_thread_count', 1),
    executionMode: text('execution_mode') === '1' ? 'parallel' : 'sequential',
    enableCpuMemArena: text('enable_mem_arena') !== '0',
    enableMemPattern: text('enable_mem_pattern') !== '0',
    graphOptimizationLevel: GRAPH_LEVELS[optimization?.graph?.level ?? 0] ?? 'all',
    logSeverityLevel: 4,
    extra: {
      'session.intra_op.allow_spinning': '0',
      ...(isCompiled ? IN_PLACE : {}),
      ...Object.fromEntries(entries.map((name) => [name, text(name) ?? ''])),
    },
  };
}

/** A model in ONNX Runtime, in this process. `run` blocks the thread until the model is done. */
export class OrtSession {
  readonly #session: ort.InferenceSession;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];

  private constructor(session: ort.InferenceSession) {
    this.#session = session;
    this.inputs = session.inputMetadata.map(describe);
    this.outputs = session.outputMetadata.map(describe);
  }

  /**
   * Loads by path, never from bytes: external data of a model loaded from bytes is resolved against the working
   * directory, and could read any file there. A compiled file stays mapped into memory as long as the session lives.
   * @param threads that one run may use, where the model's configuration does not say
   * @throws ModelRejected
   */
  static async load(path: string, config: ModelConfig, threads: number): Promise<OrtSession> {
    try {
      // ONNX Runtime itself refuses all that this refuses, but for a second name of a file.
      if (path.endsWith('.onnx')) await externalFiles(path);
      return new OrtSession(
        await ort.InferenceSession.create(path, sessionOptions(config, threads, path.endsWith('.ort'))),
      );
    } catch (error) {
      if (error instanceof ModelRejected) throw error;
      throw new ModelRejected(publicText(error, path));
    }
  }

  /** Writes the model as it is after its optimisations to `target`, in ONNX Runtime's own format. @throws ModelRejected */
  static async compile(path: string, config: ModelConfig, target: string): Promise<void> {
    const options = sessionOptions(config, 1, false);
    const extra = { ...options.extra, 'session.save_model_format': 'ORT', 'session.disable_prepacking': '1' };
    try {
      await externalFiles(path);
      const session = await ort.InferenceSession.create(path, { ...options, extra, optimizedModelFilePath: target });
      await session.release();
    } catch (error) {
      if (error instanceof ModelRejected) throw error;
      throw new ModelRejected(publicText(error, path));
    }
  }

  /** @throws InvalidRequest when the model itself refuses these inputs, for example two that do not fit together */
  async run(inputs: readonly Tensor[], outputNames: readonly string[]): Promise<Tensor[]> {
    const feeds = Object.fromEntries(inputs.map((tensor) => [tensor.name, toOrt(tensor)]));
    let results: ort.InferenceSession.ReturnType;
    try {
      results = await this.#session.run(feeds, outputNames);
    } catch (error) {
      throw new InvalidRequest(`the model could not compute these inputs: ${publicText(error)}`);
    }
    return outputNames.map((name) => fromOrt(name, results[name] as ort.Tensor));
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}

function describe(value: ort.InferenceSession.ValueMetadata): TensorMetadata {
  if (!value.isTensor) {
    throw new ModelRejected(`'${value.name}' is a sequence, map or optional; expected only tensors`);
  }
  const shape = value.shape.map((dim) => (typeof dim === 'number' ? dim : -1));
  return { name: value.name, datatype: toDatatype(value.name, value.type), shape };
}

function toDatatype(name: string, ortName: string): Datatype {
  const datatype = datatypeOfOrt(ortName);
  if (datatype === undefined) {
    throw new ModelRejected(`'${name}' is of type ${ortName}, for which the Open Inference Protocol has no datatype`);
  }
  return datatype;
}

function toOrt({ name, datatype, shape, data }: Tensor): ort.Tensor {
  if (datatype === 'BYTES') {
    // Strings go to the native part as C strings: it would cut them off at a NUL and say nothing.
    const index = (data as readonly string[]).findIndex((text) => text.includes('\0'));
    if (index >= 0) {
      throw new InvalidRequest(`element ${index} of input '${name}' holds the character NUL; expected text without it`);
    }
  }
  // The constructor's overloads tie each type name to its array; our table ties them the same way.
  const tensor = new ort.Tensor(DATATYPES[datatype].ort as 'float32', data as Float32Array, shape);
  if (data instanceof Float16Array) {
    // The native part of 1.30 sees no bytes in a Float16Array, only in the Uint16Array that it was before Node 24.
    Object.defineProperty(tensor, 'data', { value: new Uint16Array(data.buffer, data.byteOffset, data.length) });
  }
  return tensor;
}

function fromOrt(name: string, tensor: ort.Tensor): Tensor {
  return {
    name,
    datatype: toDatatype(name, tensor.type),
    shape: tensor.dims,
    data: tensor.data as Tensor['data'],
  };
}

/** What ONNX Runtime said, without paths and source lines, in at most 300 characters. */
function publicText(error: unknown, path?: string): string {
  const text = error instanceof Error ? error.message : String(error);
  const own = path === undefined ? text : text.replaceAll(path, basename(path));
  return own
    .replace(/^.*Status Message: /s, '')
    .replace(/\S*onnxruntime[\w/.:]*\.(?:cc|h):\d+/g, '')
    .replace(/(?:[A-Za-z]:)?[\\/][\w.@+-]+(?:[\\/][\w.@+-]+)+/g, '...')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 300);
}
