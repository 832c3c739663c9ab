import { fileContent, textContent } from '../../adapters/content.ts';
import { GOLDEN_FILE } from '../../inference/golden.ts';
import type { Content } from '../../inference/ports.ts';
import type { NewVersion } from '../../inference/publisher.ts';
import { METRICS_FILE } from '../../retrain/staged-model.ts';
import type { Attempt, Comparison } from './comparison.ts';
import { metricsOf } from './report.ts';

/** What an int8 model becomes a version with: its golden request, what was measured, and what it was made from. */
export async function filesOf(comparison: Comparison, attempt: Attempt): Promise<NewVersion> {
  const { float, split } = comparison;
  const { made, golden, method, decision } = attempt;
  if (made === undefined) throw new Error('there is no int8 model to publish');
  const modelFile = float.config.default_model_filename || 'model.onnx';
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
