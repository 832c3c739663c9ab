import { execFile } from 'node:child_process';
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ModelRejected } from '../../inference/ports.ts';
import type { Tensor } from '../../protocol/tensor.ts';
import { ensureVenv } from '../venv.ts';

/** Ranges of what flows between operators are found in each run, or once, on inputs that are given. */
export type Method = 'dynamic' | 'static';

export type Quantized = {
  readonly method: Method;
  readonly path: string;
  readonly report: Report;
};

export type Report = {
  /** Operators with weights, and how many of each have int8 weights now. */
  readonly quantised: { readonly [operator: string]: number };
  readonly left: { readonly [operator: string]: number };
  /** What has made it, with its version. */
  readonly tool: string;
};

const PROGRAM = join(import.meta.dirname, 'quantize.py');
/** NumPy's names of what pictures are given as. */
const DTYPES: { readonly [datatype: string]: string } = { FP32: 'float32', UINT8: 'uint8' };

/**
 * Makes an int8 model of the one at `source`, in the folder.
 * @param calibration inputs of one row each, that a static one takes its ranges from
 * @throws ModelRejected for a model that can't be quantised
 */
export async function quantized(
  method: Method,
  source: string,
  folder: string,
  calibration: readonly Tensor[],
  stopped: AbortSignal,
): Promise<Quantized> {
  const path = join(folder, `${method}.onnx`);
  const more = method === 'static' ? [await written(calibration, folder)] : [];
  const python = await ensureVenv();
  try {
    const env = { ...process.env, TMPDIR: folder, TEMP: folder };
    const options = { env, signal: stopped };
    const { stdout } = await promisify(execFile)(python, [PROGRAM, method, source, path, ...more], options);
    return { method, path, report: JSON.parse(lastLine(stdout)) };
  } catch (error) {
    const { code, stderr } = error as { code?: unknown; stderr?: string };
    // Anything else is a defect.
    if (code !== 1 || !stderr) throw error;
    throw new ModelRejected(lastLine(stderr));
  }
}

/** The inputs in one file, and a description of it for NumPy. */
async function written(inputs: readonly Tensor[], folder: string): Promise<string> {
  const [first] = inputs;
  const dtype = DTYPES[first?.datatype ?? ''];
  if (first === undefined || dtype === undefined) throw new Error('there are no pictures to calibrate with');
  const data = join(folder, 'calibration.bin');
  const file = await open(data, 'w');
  try {
    for (const tensor of inputs) await file.writeFile(tensor.data as Float32Array | Uint8Array);
  } finally {
    await file.close();
  }
  const description = join(folder, 'calibration.json');
  const shape = [inputs.length, ...first.shape.slice(1)];
  await writeFile(description, JSON.stringify({ input: first.name, dtype, shape, file: data }));
  return description;
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}
