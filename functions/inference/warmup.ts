import { tensorFromBytes } from '../protocol/binary-tensor.ts';
import { isDatatype } from '../protocol/datatypes.ts';
import type { TensorMetadata } from '../protocol/messages.ts';
import type { WarmupConfig, WarmupInput } from '../protocol/model-config.ts';
import { noise, zeros } from '../protocol/synthetic-tensor.ts';
import type { Tensor } from '../protocol/tensor.ts';
import { mergeRows } from './batch.ts';
import { type LoadedModel, ModelRejected } from './ports.ts';
import type { ServingConfig } from './serving-config.ts';
import { checkInputs, toModelShapes } from './signature.ts';

/** What one run may take: the first one of a large model is slow, which is why it is made here. */
const WARMUP_TIMEOUT_MS = 60_000;

/** Reads a file of the model's `warmup` folder. */
export type ReadSample = (filename: string) => Promise<Uint8Array<ArrayBuffer>>;

/**
 * Runs the model on the samples that its `model_warmup` describes, before it serves.
 * @throws ModelRejected, as Triton has it, when a sample is wrong or the model fails on it
 */
export async function warmUp(
  model: string,
  serving: ServingConfig,
  loaded: LoadedModel,
  read: ReadSample,
): Promise<void> {
  const names = loaded.outputs.map(({ name }) => name);
  for (const sample of serving.config.model_warmup ?? []) {
    try {
      const inputs = await inputsOf(sample, serving.maxBatchSize, read);
      checkInputs(model, serving, inputs);
      for (let run = 0; run < (sample.count || 1); run++) {
        await loaded.run(toModelShapes(serving.inputs, inputs), names, performance.now() + WARMUP_TIMEOUT_MS);
      }
    } catch (error) {
      throw new ModelRejected(`model_warmup '${sample.name ?? ''}' failed: ${(error as Error).message}`);
    }
  }
}

async function inputsOf(sample: WarmupConfig, maxBatchSize: number, read: ReadSample): Promise<readonly Tensor[]> {
  const rows = sample.batch_size || 1;
  if (rows > Math.max(1, maxBatchSize)) {
    throw new ModelRejected(`batch_size is ${rows}; expected at most ${Math.max(1, maxBatchSize)}`);
  }
  const isBatched = maxBatchSize > 0;
  const row = await Promise.all(
    Object.entries(sample.inputs ?? {}).map(([name, input]) => inputOf(name, input, isBatched, read)),
  );
  // The same row several times over, which Triton does as well.
  return mergeRows(Array.from({ length: rows }, () => row));
}

async function inputOf(name: string, input: WarmupInput, isBatched: boolean, read: ReadSample): Promise<Tensor> {
  const datatype = input.data_type?.replace(/^TYPE_/, '').replace(/^STRING$/, 'BYTES') ?? '';
  if (!isDatatype(datatype)) throw new ModelRejected(`input '${name}' has the data_type '${input.data_type ?? ''}'`);
  const dims = input.dims ?? [];
  const metadata: TensorMetadata = { name, datatype, shape: isBatched ? [1, ...dims] : dims };
  if (input.input_data_file) {
    return tensorFromBytes(name, datatype, metadata.shape, await read(input.input_data_file));
  }
  return input.random_data ? noise(metadata, 0) : zeros(metadata);
}
