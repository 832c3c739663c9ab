import { fileContent, textContent } from '../../adapters/content.ts';
import { OrtCompiler } from '../../adapters/onnxruntime-compiler.ts';
import { compileInChild } from '../../adapters/worker-compile.ts';
import { type Compilation, compileCandidate } from '../../inference/compile.ts';
import { modelFileOf } from '../../inference/compiled.ts';
import { GOLDEN_FILE, parseGolden } from '../../inference/golden.ts';
import type { VersionSource } from '../../inference/model-loader.ts';
import type { Content, ModelRepository } from '../../inference/ports.ts';
import type { NewVersion } from '../../inference/publisher.ts';
import { METRICS_FILE } from '../../retrain/staged-model.ts';
import { withLoader } from '../models/engine.ts';
import type { Attempt, Comparison } from './comparison.ts';
import { metricsOf } from './report.ts';

/** Stands for the version's number, which it gets later. */
const CANDIDATE = '1';

/** What an int8 model becomes a version with: its golden request, what was measured, and what it was made from. */
export async function newVersion(comparison: Comparison, attempt: Attempt): Promise<NewVersion> {
  const { float, split } = comparison;
  const { made, golden, method, decision } = attempt;
  if (made === undefined) throw new Error('there is no int8 model to publish');
  const modelFile = modelFileOf(float.config);
  const metrics = metricsOf(comparison, attempt);
  const lineage = {
    quantised_from: float.version,
    quantised_from_sha256: float.modelSha256,
    method,
    operators: made.report.quantised,
    tool: made.report.tool,
    ...(method === 'static' ? { calibration: { pictures: split.calibration.length, from: split.from } } : {}),
  };
  const { outcome: _, text: __, ...measured } = decision ?? {};
  const files = new Map<string, Content>([
    [modelFile, await fileContent(made.path)],
    [
      METRICS_FILE,
      textContent(`${JSON.stringify({ model: float.model, ...metrics, ...measured, ...lineage }, null, 2)}\n`),
    ],
  ]);
  if (golden !== undefined) files.set(GOLDEN_FILE, textContent(golden));
  return { modelFile, files, modelFiles: new Map(), metrics, lineage };
}

/** Its compiled file, as a version that is published otherwise has one. */
export async function compiled(
  { float }: Comparison,
  { made, golden }: Attempt,
  repository: ModelRepository,
): Promise<Compilation> {
  if (made === undefined) throw new Error('there is no int8 model to compile');
  const { model, config } = float;
  const content = await fileContent(made.path);
  const source: VersionSource = {
    fetch: async () => ({ path: made.path, bytes: content.size, done() {} }),
    read: (name, path) => repository.read(name, path),
  };
  const known = golden === undefined ? undefined : parseGolden(golden);
  const candidate = { id: { model, version: CANDIDATE }, source, config, golden: known };
  const hashes = { [modelFileOf(config)]: await content.sha256() };
  return withLoader((loader) => {
    const parts = { loader, compiler: new OrtCompiler(compileInChild), content: textContent };
    return compileCandidate(parts, candidate, modelFileOf(config), hashes);
  });
}
