// The thread rule on parts of a CPU, as Lambda gives them: what the function takes by itself beside each number of threads.

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cpusOf, MB_PER_VCPU } from '../../../functions/adapters/lambda-cpu.ts';
import { threadsFor } from '../../../functions/adapters/model-threads.ts';
import { OrtSession } from '../../../functions/adapters/onnxruntime.ts';
import { Failure } from '../../../functions/cli/failure.ts';
import { CpuQuota } from '../../../functions/cli/tune/cpu-quota.ts';
import { measure } from '../../../functions/cli/tune/measure.ts';
import { ensureVenv } from '../../../functions/cli/venv.ts';
import { isClose } from '../../../functions/inference/closeness.ts';
import { parseGolden } from '../../../functions/inference/golden.ts';
import type { Tensor } from '../../../functions/protocol/tensor.ts';
import { rounded } from '../figures.ts';
import type { Row, Section } from '../section.ts';

const ROOT = join(import.meta.dirname, '../../..');
const VCPUS = [0.5, 1, 1.16, 1.25, 1.7, 2];
const THREADS = [1, 2];
/** Threads add up in another order. */
const TOLERANCE = 1e-3;
/** A row of the model as the only input, and how long all of its settings are measured. */
const MODELS = [
  { name: 'digits', input: 'image', row: [3, 32, 32], seconds: 20 },
  { name: 'perceptron', input: 'pixels', row: [128], seconds: 20 },
  { name: 'mobilenet_v2', input: 'pixels', row: [3, 224, 224], seconds: 40 },
  { name: 'resnet50', input: 'pixels', row: [3, 224, 224], seconds: 90 },
] as const;

export default {
  name: 'threads',
  what: 'one and two threads of a run, on parts of a CPU, and which of them a function takes by itself',
  async run({ quick, scratch, progress }) {
    await checkMachine();
    const made = MODELS.filter(({ name }) => name !== 'digits' && !(quick && name === 'resnet50'));
    progress('making the models');
    const script = join(ROOT, 'test/bench/make_large_models.py');
    await promisify(execFile)(await ensureVenv(), [script, scratch, ...made.map(({ name }) => name)]);
    const rows: Row[] = [];
    for (const model of MODELS) {
      if (model.name !== 'digits' && !made.includes(model)) continue;
      progress(model.name);
      const folder = model.name === 'digits' ? join(ROOT, 'model-artifacts') : scratch;
      const path = join(folder, model.name, '1/model.onnx');
      rows.push(...(await measured(path, model, quick ? 1 : model.seconds)));
    }
    return [
      {
        title:
          'Milliseconds of a run, by threads; those that the function takes by itself, and how much longer than the fastest',
        rows,
      },
    ];
  },
} satisfies Section;

async function checkMachine(): Promise<void> {
  const quota = await CpuQuota.open();
  await quota?.remove();
  if (quota === undefined) {
    throw new Failure(
      "processes can't be held to a part of a CPU here; expected control groups of Linux, and to be root",
    );
  }
  const cores = availableParallelism();
  if (cores < Math.max(...VCPUS)) throw new Failure(`this machine has ${cores} cores; expected ${Math.max(...VCPUS)}`);
}

async function measured(
  path: string,
  { name, input, row }: { readonly name: string; readonly input: string; readonly row: readonly number[] },
  seconds: number,
): Promise<Row[]> {
  const data = new Float32Array(row.reduce((a, b) => a * b, 1)).map((_, i) => Math.sin(i));
  const tensor: Tensor = { name: input, datatype: 'FP32', shape: [1, ...row], data };
  await checkAnswers(path, name, tensor);
  const memories = VCPUS.map((vcpus) => Math.round(vcpus * MB_PER_VCPU));
  const plan = { memories, rows: [], cores: Math.max(...VCPUS), seconds };
  const { results } = await measure(path, {}, plan, () => [tensor]);
  return VCPUS.map((vcpus, i) => {
    const memoryMb = memories[i] as number;
    const msOf = (threads: number): number =>
      results.find((result) => result.memoryMb === memoryMb && result.threads === threads)?.runMs ?? Number.NaN;
    const own = threadsFor(path, cpusOf(memoryMb));
    return {
      model: name,
      vCPU: vcpus,
      MB: memoryMb,
      '1 thread': rounded(msOf(1)),
      '2 threads': rounded(msOf(2)),
      'its own': own,
      'of the fastest': Number((msOf(own) / Math.min(...THREADS.map(msOf))).toFixed(2)),
    };
  });
}

/** The digits answer their golden request; the others, with random weights, the same with each number of threads. */
async function checkAnswers(path: string, name: string, made: Tensor): Promise<void> {
  const golden = name === 'digits' ? parseGolden(readFileSync(join(path, '../golden.json'), 'utf8')) : undefined;
  const inputs = golden?.request.inputs ?? [made];
  let expected = golden?.expected[0];
  for (const threads of THREADS) {
    const session = await OrtSession.load(path, {}, threads);
    const [output] = await session.run(inputs, [session.outputs[0]?.name ?? '']);
    await session.release();
    expected ??= output;
    if (expected === undefined || !isClose(expected, output, TOLERANCE)) {
      const [found, right] = [output, expected].map((one) => String(one?.data.slice(0, 8)));
      throw new Failure(`${name} answers [${found}] with ${threads} threads; expected [${right}]`);
    }
  }
}
