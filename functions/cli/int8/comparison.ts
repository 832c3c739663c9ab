import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileContent } from '../../adapters/content.ts';
import { externalFiles } from '../../adapters/onnx-external-data.ts';
import { modelFileOf } from '../../inference/compiled.ts';
import { GOLDEN_FILE, makeGolden, parseGolden } from '../../inference/golden.ts';
import { fittedImageTensor } from '../../inference/image-tensor.ts';
import type { ModelLoader, ServedModel, VersionSource } from '../../inference/model-loader.ts';
import { ModelRejected, type ModelRepository } from '../../inference/ports.ts';
import { toModelShapes } from '../../inference/signature.ts';
import type { InferRequest } from '../../protocol/messages.ts';
import type { Tensor } from '../../protocol/tensor.ts';
import { rejectedAs } from '../../retrain/challenger-checks.ts';
import type { Decision } from '../../retrain/gate.ts';
import type { Gates } from '../../retrain/gates.ts';
import type { FoundVersion } from '../models/version.ts';
import type { Split } from './calibration.ts';
import { type Contender, judged } from './contest.ts';
import { type Method, type Quantized, quantized } from './quantizer.ts';

export type Attempt = {
  readonly method: Method;
  /** Undefined where the model can't be quantised, which the decision says. */
  readonly made: Quantized | undefined;
  /** Of the int8 file, which has its weights inside; 0 without one. */
  readonly bytes: number;
  /** Undefined without a held-out set. */
  readonly decision: Decision | undefined;
  /** A request with its answer; undefined for a model of very large inputs, or one that does not load. */
  readonly golden: string | undefined;
};

export type Comparison = {
  /** The version that is quantised. */
  readonly float: FoundVersion & { readonly bytes: number; readonly modelSha256: string };
  readonly attempts: readonly Attempt[];
  readonly split: Split;
};

/** What judges, and where the files go. */
export type Judging = {
  readonly split: Split;
  /** Of the model's outputs; undefined for a model without labels. */
  readonly classes: readonly string[] | undefined;
  readonly gates: Gates;
  /** For the files that are made. */
  readonly folder: string;
  readonly stopped: AbortSignal;
  readonly say: (text: string) => void;
};

/** Stands for the version's number, which it gets later, if it does. */
const CANDIDATE = '1';
/** Processors round int8 sums alike, and what is scaled around them not quite: two answers may be a step apart. */
const GOLDEN_TOLERANCE = 0.05;

/**
 * Quantises a version in each way, and holds what comes of it against the float version.
 * @throws ModelRejected where it can't be quantised in any, with the first reason
 */
export async function compareInt8(
  loader: ModelLoader,
  repository: ModelRepository,
  float: FoundVersion,
  methods: readonly Method[],
  { split, classes, gates, folder, stopped, say }: Judging,
): Promise<Comparison> {
  const { model, version, config, sha256 } = float;
  const modelFile = modelFileOf(config);
  // First into the runtime, which refuses what a file must not do, before other tools read it.
  const champion = await loader.load(repository, float, config, sha256);
  const fetched = await repository.fetch(model, version, modelFile, sha256);
  try {
    const calibration = await tensorsOf(champion, split);
    const made: (Quantized | string)[] = [];
    for (const method of methods) {
      const of = method === 'static' ? `, with ${calibration.length} pictures: ${split.from}` : '';
      say(`quantising version ${version} (${method}${of})`);
      made.push(await rejectedAs(() => quantized(method, fetched.path, folder, calibration, stopped)));
    }
    const [problem] = made;
    if (typeof problem === 'string' && made.every((found) => typeof found === 'string')) {
      throw new ModelRejected(`version ${version} of '${model}' can't be made int8: ${problem}`);
    }
    const known = await goldenRequest(repository, float);
    const contenders: Challenger[] = [];
    // One after the other: the process that holds them takes one request at a time.
    for (const found of made) contenders.push(await contender(loader, repository, float, found, known));
    if (split.judging.length > 0) say(`judging with ${split.judging.length} pictures`);
    const names = classes ?? [...new Set(split.judging.map(({ label }) => label))].sort();
    const decisions = split.judging.length === 0 ? [] : await judged(champion, contenders, split.judging, names, gates);
    return {
      float: { ...float, ...(await measured(fetched.path)) },
      split,
      attempts: methods.map((method, i) => {
        const found = made[i];
        const { bytes = 0, golden } = contenders[i] ?? {};
        const decision = decisions[i];
        return { method, made: typeof found === 'string' ? undefined : found, bytes, golden, decision };
      }),
    };
  } finally {
    fetched.done();
    await champion.unload();
  }
}

/** The model file, with the weights that are in files beside it. */
async function measured(path: string): Promise<{ bytes: number; modelSha256: string }> {
  let bytes = (await stat(path)).size;
  for (const file of await externalFiles(path)) bytes += (await stat(join(dirname(path), file))).size;
  return { bytes, modelSha256: await (await fileContent(path)).sha256() };
}

/** The pictures as the model's own inputs, exactly as the server would make them. */
async function tensorsOf({ serving }: ServedModel, { calibration, judging }: Split): Promise<Tensor[]> {
  if (calibration.length === 0 && judging.length === 0) return [];
  const [input, ...more] = serving.inputs;
  if (input === undefined || more.length > 0) {
    throw new ModelRejected(`the model has ${serving.inputs.length} inputs; expected one, of pictures`);
  }
  const tensors: Tensor[] = [];
  for (const picture of calibration) {
    tensors.push(...toModelShapes(serving.inputs, [fittedImageTensor(input, await picture.read())]));
  }
  return tensors;
}

type Challenger = Contender & Pick<Attempt, 'golden'>;

async function contender(
  loader: ModelLoader,
  repository: ModelRepository,
  { model, config }: FoundVersion,
  found: Quantized | string,
  known: InferRequest | undefined,
): Promise<Challenger> {
  if (typeof found === 'string') return { served: found, bytes: 0, golden: undefined };
  const bytes = (await stat(found.path)).size;
  const source: VersionSource = {
    fetch: async () => ({ path: found.path, bytes, done() {} }),
    read: (name, path) => repository.read(name, path),
  };
  return rejectedAs(async () => {
    const served = await loader.load(source, { model, version: CANDIDATE }, config);
    return { served, golden: await makeGolden(served, known, GOLDEN_TOLERANCE) };
  }).then((loaded) =>
    typeof loaded === 'string' ? { served: loaded, bytes, golden: undefined } : { ...loaded, bytes },
  );
}

/** What the float version is known to answer. */
async function goldenRequest(
  repository: ModelRepository,
  { model, version }: FoundVersion,
): Promise<InferRequest | undefined> {
  const text = (await repository.tagged(model, `${version}/${GOLDEN_FILE}`))?.text;
  return text === undefined ? undefined : parseGolden(text).request;
}
