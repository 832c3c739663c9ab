import { stat, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { dirname } from 'node:path';
import { cpusOf, LAMBDA_MEMORY_MB, MB_PER_VCPU } from '../../adapters/lambda-cpu.ts';
import { type Architecture, USD_PER_GB_SECOND } from '../../adapters/lambda-prices.ts';
import { threadsFor } from '../../adapters/model-threads.ts';
import {
  COMPILED_FILE,
  COMPILED_MANIFEST,
  compiledConfig,
  isPrepacked,
  modelFileOf,
  parseCompiledManifest,
} from '../../inference/compiled.ts';
import { checkGolden, GOLDEN_FILE, parseGolden } from '../../inference/golden.ts';
import type { ServedModel } from '../../inference/model-loader.ts';
import { ModelRejected, type ModelRepository } from '../../inference/ports.ts';
import { toModelShapes } from '../../inference/signature.ts';
import { noise } from '../../protocol/synthetic-tensor.ts';
import { elementCount, type Tensor } from '../../protocol/tensor.ts';
import { Misuse } from '../failure.ts';
import { measure, type Plan } from '../tune/measure.ts';
import { tuningPlot } from '../tune/plot.ts';
import { recommend } from '../tune/recommend.ts';
import { adviceOf, disturbance, tablesOf } from '../tune/report.ts';
import { withLoader } from './engine.ts';
import { type Common, openRepository } from './repository.ts';
import { versionIn } from './version.ts';

export type Tuning = Common & {
  readonly memory?: string;
  readonly rows?: string;
  readonly seconds: string;
  readonly within?: string;
  readonly architecture: string;
  readonly plot?: string;
};

const SIZES = [512, 1024, MB_PER_VCPU, 3008, 2 * MB_PER_VCPU, 3 * MB_PER_VCPU, 4 * MB_PER_VCPU, LAMBDA_MEMORY_MB.max];
const ROWS = [1, 2, 4, 8, 16, 32];

/** Measures a version on this machine, and says which memory, threads, prepacking and batch are best for it on Lambda. */
export async function tune(model: string, wanted: string | undefined, options: Tuning): Promise<void> {
  const cores = availableParallelism();
  const asked = await planOf(options, cores);
  const { repository } = await openRepository(options);
  const { version, config, sha256 } = await versionIn(repository, model, wanted);
  const { base, maxRows } = await withLoader(async (loader) => {
    const served = await loader.load(repository, { model, version }, config, sha256);
    return { base: await requestOf(repository, served), maxRows: Math.max(1, served.serving.maxBatchSize) };
  });
  const rows = asked.rows ?? ROWS.filter((count) => count <= maxRows);
  const tooMany = rows.find((count) => count > maxRows);
  if (tooMany !== undefined)
    throw new Misuse(`--rows has ${tooMany}; expected at most ${maxRows}, the model's own limit`);
  const plan: Plan = { ...asked, rows, cores };
  const fetched = await repository.fetch(model, version, modelFileOf(config), sha256);
  try {
    if (!options.json) console.error(`measuring for about ${plan.seconds} s, on a machine that should be idle`);
    const { isLimited, ...found } = await measure(fetched.path, config, plan, (count) => base.map(repeated(count)));
    const isCompiled = sha256?.[COMPILED_FILE] !== undefined;
    const loaded = isCompiled ? COMPILED_FILE : fetched.path;
    const ownThreads = (memoryMb: number): number => threadsFor(loaded, cpusOf(memoryMb));
    const text = isCompiled ? (await repository.tagged(model, `${version}/${COMPILED_MANIFEST}`))?.text : undefined;
    const ownPrepacking = isPrepacked(compiledConfig(parseCompiledManifest(text ?? '') ?? {}, config));
    const advice = recommend(found, asked.architecture, asked.withinMs, ownThreads, ownPrepacking);
    const machine = `${cpus()[0]?.model.trim() ?? 'an unknown processor'}, ${cores} cores`;
    if (options.plot !== undefined) {
      const title = `${model} version ${version}: ${machine}, ${new Date().toISOString().slice(0, 10)}`;
      await writeFile(options.plot, tuningPlot(title, advice.sizes, advice.best));
    }
    if (options.json) {
      const { best, ...rest } = advice;
      console.log(JSON.stringify({ model, version, machine, isLimited, best: best?.memoryMb, ...rest, ...found }));
      return;
    }
    console.log(`${model} version ${version} on ${machine}\n\n${tablesOf(advice, found.results)}\n`);
    for (const line of adviceOf(advice, asked.withinMs)) console.log(line);
    const less = isLimited
      ? "measured with that much of this machine's CPU (control groups, 20 ms)"
      : 'computed (~) from the CPU time of a run, where a size has less CPU than this machine';
    console.log(
      `\n* as many threads as the function takes by itself. Times are means of runs one after the other, ${less}. Lambda's\n` +
        `processors are others: measure there before it matters. Costs are computed: API Gateway and Lambda on ${asked.architecture}, ` +
        'list\nprices of November 2026, for the run and an assumed 2 ms beside it.',
    );
    const disturbed = disturbance(found.results);
    if (disturbed !== undefined) console.error(disturbed);
    if (options.plot !== undefined) console.log(`${options.plot} shows time and cost by memory`);
  } finally {
    fetched.done();
  }
}

type Asked = Pick<Plan, 'memories' | 'seconds'> & {
  readonly rows: readonly number[] | undefined;
  readonly withinMs: number;
  readonly architecture: Architecture;
};

async function planOf(options: Tuning, cores: number): Promise<Asked> {
  const most = Math.min(LAMBDA_MEMORY_MB.max, Math.max(1, cores) * MB_PER_VCPU);
  const memories = numbersOf('--memory', options.memory, LAMBDA_MEMORY_MB.min, most, `, which ${cores} cores can show`);
  const rows = numbersOf('--rows', options.rows, 1, 100_000);
  const [seconds = 0] = numbersOf('--seconds', options.seconds, 1, 3_600) ?? [];
  const [withinMs = Number.POSITIVE_INFINITY] = numbersOf('--within', options.within, 1, 60_000) ?? [];
  if (!Object.hasOwn(USD_PER_GB_SECOND, options.architecture)) {
    throw new Misuse(`--architecture is '${options.architecture}'; expected x86_64 or arm64`);
  }
  if (options.plot !== undefined) {
    const folder = await stat(dirname(options.plot)).catch(() => undefined);
    if (!folder?.isDirectory())
      throw new Misuse(`--plot is '${options.plot}'; expected a file in a folder that exists`);
  }
  return {
    memories: memories ?? SIZES.filter((size) => size <= most),
    // One row is what everything is held against.
    rows: rows && [...new Set([1, ...rows])],
    seconds,
    withinMs,
    architecture: options.architecture as Architecture,
  };
}

function numbersOf(
  option: string,
  text: string | undefined,
  min: number,
  max: number,
  why = '',
): readonly number[] | undefined {
  if (text === undefined) return undefined;
  const numbers = text.split(',').map((part) => (/^\d{1,6}$/.test(part) ? Number(part) : Number.NaN));
  if (numbers.every((number) => number >= min && number <= max)) return [...new Set(numbers)].sort((a, b) => a - b);
  throw new Misuse(`${option} is '${text}'; expected ${min} to ${max}${why}`);
}

/** One row for the model itself: of its golden request, which it has to answer as is known; or made up. */
async function requestOf(repository: ModelRepository, served: ServedModel): Promise<Tensor[]> {
  const { model, version, serving, loaded } = served;
  const text = (await repository.tagged(model, `${version}/${GOLDEN_FILE}`))?.text;
  const golden = text === undefined ? undefined : parseGolden(text);
  if (golden !== undefined) await checkGolden(served, golden);
  const given = golden?.request.inputs ?? serving.inputs.filter(({ optional }) => !optional).map(noise);
  const inputs = toModelShapes(serving.inputs, given).map((tensor) =>
    serving.maxBatchSize > 0 ? firstRow(tensor) : tensor,
  );
  const names = serving.outputs.map(({ name }) => name);
  await loaded.run(inputs, names, performance.now() + 60_000).catch((error: Error) => {
    throw new ModelRejected(`version ${version} of '${model}' does not compute a made-up request: ${error.message}`);
  });
  return inputs;
}

function firstRow(tensor: Tensor): Tensor {
  const shape = [1, ...tensor.shape.slice(1)];
  return { ...tensor, shape, data: tensor.data.slice(0, elementCount(shape)) as Tensor['data'] };
}

/** The same row so many times. */
function repeated(rows: number): (tensor: Tensor) => Tensor {
  return (tensor) => {
    if (rows === 1) return tensor;
    const { shape, data } = tensor;
    const whole = { ...tensor, shape: [rows, ...shape.slice(1)] };
    if (Array.isArray(data)) return { ...whole, data: Array.from({ length: rows }, () => data).flat() };
    const typed = data as Float32Array<ArrayBuffer>;
    const all = new (typed.constructor as Float32ArrayConstructor)(typed.length * rows);
    for (let row = 0; row < rows; row++) all.set(typed, row * typed.length);
    return { ...whole, data: all };
  };
}
