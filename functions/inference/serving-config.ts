import { DATATYPES, type Datatype, isDatatype } from '../protocol/datatypes.ts';
import type { TensorMetadata } from '../protocol/messages.ts';
import type { ModelConfig, TensorConfig } from '../protocol/model-config.ts';
import { ModelRejected } from './ports.ts';

/** One input or output as clients see it, and as the model does. */
export type TensorSpec = TensorMetadata & {
  /** The model's own shape, -1 for what varies, where it is not the client's. */
  readonly modelShape: readonly number[] | undefined;
  /** Whether requests may leave it out. */
  readonly optional: boolean;
  readonly labelFile: string | undefined;
};

/** How a model is served: its config.pbtxt, completed from the model file and checked against it. */
export type ServingConfig = {
  /** What `GET .../config` tells. */
  readonly config: ModelConfig;
  /** 0: the model does not batch. */
  readonly maxBatchSize: number;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
};

export type Signature = { readonly inputs: readonly TensorMetadata[]; readonly outputs: readonly TensorMetadata[] };

/**
 * Completes a model's configuration the way Triton does and holds it against the model file's own signature. With both
 * `input` and `output` given nothing is completed; otherwise a model batches when every input and output leaves its first
 * dimension open, of at most `defaultMaxBatchSize` rows where the configuration says nothing.
 *
 * @throws ModelRejected where the two contradict each other
 */
export function resolveConfig(
  model: string,
  given: ModelConfig,
  signature: Signature,
  defaultMaxBatchSize: number,
): ServingConfig {
  const complete =
    given.input?.length && given.output?.length ? given : autoComplete(given, signature, defaultMaxBatchSize);
  const maxBatchSize = complete.max_batch_size ?? 0;
  const config: ModelConfig = {
    ...complete,
    name: model,
    platform: 'onnxruntime_onnx',
    backend: 'onnxruntime',
    max_batch_size: maxBatchSize,
    version_policy: complete.version_policy ?? { latest: { num_versions: 1 } },
    default_model_filename: complete.default_model_filename || 'model.onnx',
  };
  return {
    config,
    maxBatchSize,
    inputs: specs('input', config.input ?? [], signature.inputs, maxBatchSize > 0),
    outputs: specs('output', config.output ?? [], signature.outputs, maxBatchSize > 0),
  };
}

function autoComplete(given: ModelConfig, { inputs, outputs }: Signature, defaultMaxBatchSize: number): ModelConfig {
  const canBatch = [...inputs, ...outputs].every(({ shape }) => shape[0] === -1);
  const asked = given.max_batch_size ?? 0;
  if (!canBatch && asked > 0) {
    throw new ModelRejected(
      `config.pbtxt says max_batch_size ${asked}, but not every input and output of the model leaves its first dimension open`,
    );
  }
  const maxBatchSize = canBatch ? asked || defaultMaxBatchSize : 0;
  const schedules = given.dynamic_batching ?? given.sequence_batching ?? given.ensemble_scheduling;
  const describe = (tensors: readonly TensorMetadata[]): TensorConfig[] =>
    tensors.map(({ name, datatype, shape }) => {
      const data_type = `TYPE_${datatype === 'BYTES' ? 'STRING' : datatype}`;
      if (shape.length === 0) return { name, data_type, dims: [1], reshape: { shape: [] } };
      return { name, data_type, dims: maxBatchSize > 0 ? shape.slice(1) : shape };
    });
  return {
    ...given,
    max_batch_size: maxBatchSize,
    ...(maxBatchSize > 1 && schedules === undefined ? { dynamic_batching: {} } : {}),
    input: given.input?.length ? given.input : describe(inputs),
    output: given.output?.length ? given.output : describe(outputs),
  };
}

function specs(
  what: 'input' | 'output',
  configured: readonly TensorConfig[],
  own: readonly TensorMetadata[],
  batches: boolean,
): TensorSpec[] {
  const found = configured.map((tensor) => spec(what, tensor, own, batches));
  if (what === 'input') {
    const missing = own.find(({ name }) => !found.some((tensor) => tensor.name === name));
    if (missing !== undefined)
      throw new ModelRejected(`config.pbtxt has no input '${missing.name}', which the model needs`);
  }
  return found;
}

function spec(
  what: 'input' | 'output',
  tensor: TensorConfig,
  own: readonly TensorMetadata[],
  batches: boolean,
): TensorSpec {
  const name = tensor.name ?? '';
  const actual = own.find((candidate) => candidate.name === name);
  if (actual === undefined) {
    throw new ModelRejected(
      `config.pbtxt names the ${what} '${name}'; the model has ${own.map((other) => `'${other.name}'`).join(', ')}`,
    );
  }
  const datatype = datatypeOf(name, tensor.data_type);
  if (datatype !== actual.datatype) {
    throw new ModelRejected(`config.pbtxt says '${name}' is ${datatype}; the model says ${actual.datatype}`);
  }
  const dims = tensor.dims ?? [];
  if (dims.length === 0 && tensor.reshape === undefined && !batches) {
    throw new ModelRejected(
      `config.pbtxt gives '${name}' no dims; expected at least one, with an empty reshape for a scalar`,
    );
  }
  const withBatch = (shape: readonly number[]): readonly number[] => (batches ? [-1, ...shape] : shape);
  const modelShape = tensor.reshape === undefined ? undefined : withBatch(tensor.reshape.shape ?? []);
  const shape = withBatch(dims);
  if (modelShape !== undefined) checkReshape(name, dims, tensor.reshape?.shape ?? []);
  checkAgainstModel(what, name, modelShape ?? shape, actual.shape);
  return {
    name,
    datatype,
    shape,
    modelShape,
    optional: tensor.optional === true,
    labelFile: tensor.label_filename || undefined,
  };
}

function datatypeOf(name: string, dataType = 'TYPE_INVALID'): Datatype {
  const datatype = dataType === 'TYPE_STRING' ? 'BYTES' : dataType.replace(/^TYPE_/, '');
  if (!isDatatype(datatype)) {
    throw new ModelRejected(
      `config.pbtxt says '${name}' is ${dataType}; expected one of ${Object.keys(DATATYPES).join(', ')}`,
    );
  }
  return datatype;
}

function checkReshape(name: string, dims: readonly number[], reshape: readonly number[]): void {
  const fixed = (shape: readonly number[]): number =>
    shape.reduce((product, dim) => (dim === -1 ? product : product * dim), 1);
  const open = (shape: readonly number[]): number => shape.filter((dim) => dim === -1).length;
  if (fixed(dims) !== fixed(reshape) || open(dims) !== open(reshape)) {
    throw new ModelRejected(
      `config.pbtxt reshapes '${name}' from [${dims}] to [${reshape}], which hold different numbers of elements`,
    );
  }
}

/** The configuration may be narrower than the model, not wider. What the model says of its outputs is often vague. */
function checkAgainstModel(what: string, name: string, shape: readonly number[], actual: readonly number[]): void {
  const fits =
    shape.length === actual.length &&
    (what === 'output' || shape.every((dim, axis) => actual[axis] === -1 || actual[axis] === dim));
  if (!fits) {
    throw new ModelRejected(
      `config.pbtxt says '${name}' has the shape [${shape}], batch included; the model says [${actual}]`,
    );
  }
}

/** The versions that the policy of the configuration makes servable: by default the highest. */
export function servableVersions(
  policy: ModelConfig['version_policy'],
  versions: readonly string[],
): readonly string[] {
  if (policy?.all !== undefined) return versions;
  if (policy?.specific !== undefined) {
    const wanted = (policy.specific.versions ?? []).map(String);
    return versions.filter((version) => wanted.includes(version));
  }
  return versions.slice(-Math.max(1, policy?.latest?.num_versions ?? 1));
}
