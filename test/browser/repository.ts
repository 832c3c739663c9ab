import { execFileSync } from 'node:child_process';
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureVenv } from '../../functions/cli/venv.ts';
import { makeModels } from '../setup/models.ts';

/** As a training that went a little worse: every weight is changed by a lot. */
const BLURRED = `
import sys
import numpy as np
import onnx
from onnx import numpy_helper

source, target = sys.argv[1:]
model = onnx.load(source)
chance = np.random.default_rng(0)
for weights in model.graph.initializer:
    values = numpy_helper.to_array(weights)
    if values.dtype == np.float32:
        changed = (values * (1 + 0.4 * chance.standard_normal(values.shape))).astype(np.float32)
        weights.CopyFrom(numpy_helper.from_array(changed, weights.name))
onnx.save(model, target)
`;

const at = (day: number): string => `2026-11-0${day}T09:30:00.000Z`;

/** The models of the tests, and the digits with a live version, a canary and a history. */
export async function browserRepository(): Promise<{ folder: string; remove: () => void }> {
  const { folder, remove } = await makeModels();
  const digits = join(folder, 'digits');
  cpSync(join(import.meta.dirname, '../../model-artifacts/digits'), digits, { recursive: true });
  cpSync(join(digits, '1'), join(digits, '2'), { recursive: true });
  execFileSync(await ensureVenv(), ['-c', BLURRED, join(digits, '1/model.onnx'), join(digits, '2/model.onnx')]);
  const release = {
    live: '1',
    canary: { version: '2', weight: 0.1 },
    history: [
      { id: '1', action: 'publish', version: '1', at: at(1), by: 'anna', reason: 'the first one' },
      { id: '2', action: 'promote', version: '1', at: at(2), by: 'anna' },
      { id: '3', action: 'canary', version: '2', at: at(3), by: 'retraining', reason: 'more sevens' },
    ],
  };
  writeFileSync(join(digits, 'release.json'), JSON.stringify(release, null, 2));
  return { folder, remove };
}
