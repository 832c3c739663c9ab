import type { ModelConfig } from '../protocol/model-config.ts';
import type { FileHashes, RuntimeTarget } from './ports.ts';

/** Of a version's folder: the model as the runtime has it after its optimisations, to be mapped into memory as it is. */
export const COMPILED_FILE = 'compiled/model.ort';
/** What it was made from, and for: written after it. */
export const COMPILED_MANIFEST = 'compiled/manifest.json';

/** ONNX Runtime's own setting, as a parameter of a model's configuration. */
export const DISABLE_PREPACKING = 'session.disable_prepacking';

export type CompiledManifest = {
  /** Version of ONNX Runtime. */
  readonly runtime: string;
  /** As Node.js names it. */
  readonly architecture: string;
  /** The class of vector units that its layouts are made for; 'none' where any will do. */
  readonly simd: string;
  /** Triton's `optimization.graph.level`. */
  readonly optimization: number;
  /** The sha256 of the files that it was made from, the model file's first. */
  readonly sources: readonly string[];
  /** Of the compiled file. */
  readonly sha256: string;
  /** Of the compiled file. */
  readonly bytes: number;
  /** Whether ONNX Runtime's prepacking gains anything; older ones don't say, which is yes. */
  readonly prepacking?: boolean;
};

/**
 * Why the plain file was loaded where there is a compiled one. `manifest`: it can't be read; `runtime`, `architecture`, `simd`,
 * `optimization`: it was made for another one; `source`: it was made from another model; `file`: it is missing or another
 * one; `load`: ONNX Runtime refuses it; `golden`: it answers the golden request wrongly.
 */
export type CompiledUnused =
  | 'manifest'
  | 'runtime'
  | 'architecture'
  | 'simd'
  | 'optimization'
  | 'source'
  | 'file'
  | 'load'
  | 'golden';

/** Undefined for a text that is none. */
export function parseCompiledManifest(text: string): CompiledManifest | undefined {
  let found: { readonly [key: string]: unknown };
  try {
    found = Object(JSON.parse(text));
  } catch {
    return undefined;
  }
  const { runtime, architecture, simd, optimization, sources, sha256, bytes, prepacking = true } = found;
  const isRight =
    [runtime, architecture, simd].every((value) => typeof value === 'string') &&
    [optimization, bytes].every(Number.isInteger) &&
    typeof prepacking === 'boolean' &&
    Array.isArray(sources) &&
    [sha256, sources[0], ...sources].every((hash) => /^[0-9a-f]{64}$/.test(String(hash)));
  return isRight ? (found as CompiledManifest) : undefined;
}

/**
 * What keeps a compiled file from being loaded; undefined where nothing does.
 * @param published the sha256 of the version's files
 */
export function mismatch(
  manifest: CompiledManifest,
  target: RuntimeTarget,
  config: ModelConfig,
  published: FileHashes,
): CompiledUnused | undefined {
  if (manifest.runtime !== target.runtime) return 'runtime';
  if (manifest.architecture !== target.architecture) return 'architecture';
  if (manifest.simd !== 'none' && manifest.simd !== target.simd) return 'simd';
  if (manifest.optimization !== optimizationOf(config)) return 'optimization';
  const [model, ...data] = manifest.sources;
  const hashes = Object.values(published);
  if (published[modelFileOf(config)] !== model || !data.every((hash) => hashes.includes(hash))) return 'source';
  return published[COMPILED_FILE] === manifest.sha256 ? undefined : 'file';
}

export function modelFileOf({ default_model_filename }: ModelConfig): string {
  return default_model_filename || 'model.onnx';
}

export function optimizationOf({ optimization }: ModelConfig): number {
  return optimization?.graph?.level ?? 0;
}

/** What the engine is told of a compiled file: config.pbtxt, and of prepacking, where that says nothing, what the manifest does. */
export function compiledConfig({ prepacking }: Pick<CompiledManifest, 'prepacking'>, config: ModelConfig): ModelConfig {
  if (prepacking !== false) return config;
  return { ...config, parameters: { [DISABLE_PREPACKING]: { string_value: '1' }, ...config.parameters } };
}

export function isPrepacked({ parameters = {} }: ModelConfig): boolean {
  return parameters[DISABLE_PREPACKING]?.string_value !== '1';
}

/** All processes have the weights of a mapped file in common, unless each makes its own copy of them in another layout. */
export function sharesWeights(filename: string, config: ModelConfig): boolean {
  return filename === COMPILED_FILE && !isPrepacked(config);
}
