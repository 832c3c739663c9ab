import type { Candidate } from './candidate.ts';
import { COMPILED_FILE, COMPILED_MANIFEST, type CompiledManifest, compiledConfig, optimizationOf } from './compiled.ts';
import { checkGolden } from './golden.ts';
import type { ModelLoader } from './model-loader.ts';
import { type Compiler, type Content, type FileHashes, ModelRejected } from './ports.ts';

export type Compilation = {
  /** By their paths in the version's folder, the manifest last; empty where none were made. */
  readonly files: ReadonlyMap<string, Content>;
  /** What was made, or why nothing was, for people. */
  readonly text: string;
  /** Removes the files. */
  remove(): Promise<void>;
};

export type CompilationParts = {
  readonly loader: ModelLoader;
  readonly compiler: Compiler;
  readonly content: (text: string) => Content;
};

/**
 * Makes the compiled file of what is to be a version, and asks it the golden request. A model that can't be compiled is as
 * good as before: it loads from its plain file.
 * @param hashes of the version's files, among them those that it is made from
 */
export async function compileCandidate(
  { loader, compiler, content }: CompilationParts,
  { id, source, config, golden }: Candidate,
  modelFile: string,
  hashes: FileHashes,
): Promise<Compilation> {
  if (golden === undefined) return nothing('without a golden request nothing says that it would be right');
  const plain = await source.fetch(id.model, id.version, modelFile);
  try {
    const made = await compiler.compile(plain.path, config, plain.bytes);
    if (typeof made === 'string') return nothing(made);
    const { path, file, target, data, prepacking, remove } = made;
    try {
      const fetch = async () => ({ path, bytes: file.size, done() {} });
      const read = (model: string, file: string) => source.read(model, file);
      const served = await loader.load({ fetch, read }, id, compiledConfig(made, config));
      try {
        await checkGolden(served, golden);
      } finally {
        await served.unload();
      }
      const sha256 = await file.sha256();
      const sources = [modelFile, ...data].map((name) => hashes[name] ?? '');
      const optimization = optimizationOf(config);
      const manifest: CompiledManifest = { ...target, optimization, sources, sha256, bytes: file.size, prepacking };
      const files = new Map([
        [COMPILED_FILE, file],
        [COMPILED_MANIFEST, content(`${JSON.stringify(manifest, null, 2)}\n`)],
      ]);
      const { runtime, architecture, simd } = target;
      const text = `compiled for ONNX Runtime ${runtime} on ${architecture}${simd === 'none' ? '' : ` with ${simd}`}`;
      return { files, text, remove };
    } catch (error) {
      await remove();
      throw error;
    }
  } catch (error) {
    if (!(error instanceof ModelRejected)) throw error;
    return nothing(error.message);
  } finally {
    plain.done();
  }
}

function nothing(why: string): Compilation {
  return { files: new Map(), text: `not compiled: ${why}`, async remove() {} };
}
