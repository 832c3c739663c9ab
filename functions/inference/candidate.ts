import type { TensorMetadata } from '../protocol/messages.ts';
import type { ModelConfig } from '../protocol/model-config.ts';
import { checkGolden, type Golden, makeGolden } from './golden.ts';
import type { ModelLoader, ServedModel, VersionSource } from './model-loader.ts';
import { type ModelId, ModelRejected } from './ports.ts';

export type Candidate = {
  readonly id: ModelId;
  readonly source: VersionSource;
  readonly config: ModelConfig;
  readonly golden: Golden | undefined;
};

export type Checked = {
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
  /** The request that was made up, with its answer; undefined where one was given. */
  readonly golden: string | undefined;
};

/**
 * Loads what is to be a version of a model as it would be served, and asks it a request whose answer is known. Without
 * one, the answer to a made-up request becomes the known one.
 * @param live what it may take the place of: its inputs and outputs have to be the same
 * @throws ModelRejected
 */
export async function checkCandidate(
  loader: ModelLoader,
  { id, source, config, golden }: Candidate,
  live?: Omit<Candidate, 'golden'>,
): Promise<Checked> {
  const served = await loader.load(source, id, config);
  try {
    if (live !== undefined) await checkSameSignature(loader, served, live);
    if (golden !== undefined) await checkGolden(served, golden);
    const { inputs, outputs } = served.serving;
    return { inputs, outputs, golden: golden === undefined ? await makeGolden(served) : undefined };
  } finally {
    await served.unload();
  }
}

async function checkSameSignature(
  loader: ModelLoader,
  { serving }: ServedModel,
  { id, source, config }: Omit<Candidate, 'golden'>,
): Promise<void> {
  const live = await loader.load(source, id, config);
  await live.unload();
  const difference = signatureDifference(serving, live);
  if (difference !== undefined) throw new ModelRejected(difference);
}

/** Where the inputs and outputs of two models differ, in a sentence; undefined where they do not. */
export function signatureDifference(
  found: Pick<ServedModel['serving'], 'inputs' | 'outputs'>,
  { model, version, serving }: Pick<ServedModel, 'model' | 'version' | 'serving'>,
): string | undefined {
  const side = (['inputs', 'outputs'] as const).find((name) => described(found[name]) !== described(serving[name]));
  if (side === undefined) return undefined;
  return (
    `its ${side} are ${described(found[side])}; version ${version} of '${model}', which is live, has ` +
    `${described(serving[side])}. A model with another signature needs another name`
  );
}

function described(tensors: readonly TensorMetadata[]): string {
  return tensors
    .map(({ name, datatype, shape }) => `${name} ${datatype} [${shape}]`)
    .sort()
    .join(', ');
}
