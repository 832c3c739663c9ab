import type { ModelConfig } from '../protocol/model-config.ts';
import { ModelRejected } from './ports.ts';

/**
 * What this server does not do. Nothing that changes answers is silently left out.
 * @throws ModelRejected with a reason
 */
export function checkSupported(model: string, config: ModelConfig): void {
  const reject = (reason: string): never => {
    throw new ModelRejected(`config.pbtxt ${reason}`);
  };
  if (config.name && config.name !== model) reject(`has the name '${config.name}'; expected the folder's, '${model}'`);
  if (config.platform && config.platform !== 'onnxruntime_onnx') {
    reject(`asks for the platform '${config.platform}'; this server has onnxruntime_onnx only`);
  }
  if (config.backend && config.backend !== 'onnxruntime') {
    reject(`asks for the backend '${config.backend}'; this server has onnxruntime only`);
  }
  const unsupported: { readonly [field: string]: string } = {
    ensemble_scheduling: 'ensembles',
    sequence_batching: 'sequence batching',
    batch_input: 'ragged batches',
    batch_output: 'ragged batches',
    model_repository_agents: 'repository agents',
  };
  for (const [field, meaning] of Object.entries(unsupported)) {
    if (config[field] !== undefined) reject(`has ${field}; this server does no ${meaning}`);
  }
  if ((config.model_operations as { op_library_filename?: string[] } | undefined)?.op_library_filename?.length) {
    reject('has model_operations; this server loads no custom operators');
  }
  if ((config.model_transaction_policy as { decoupled?: boolean } | undefined)?.decoupled) {
    reject('asks for decoupled responses; this server sends one response for each request');
  }
  const tooMany = config.dynamic_batching?.preferred_batch_size?.find((size) => size > (config.max_batch_size ?? 0));
  if (tooMany !== undefined && config.max_batch_size !== undefined) {
    reject(`prefers batches of ${tooMany}; expected at most its max_batch_size, ${config.max_batch_size}`);
  }
  for (const tensor of [...(config.input ?? []), ...(config.output ?? [])]) {
    if (tensor.allow_ragged_batch) reject(`allows ragged batches for '${tensor.name}'; this server does none`);
    if (tensor.is_shape_tensor) reject(`makes '${tensor.name}' a shape tensor, which ONNX Runtime does not have`);
  }
}

/** Settings that change no answer and that this server has no use for, like those of GPUs. Their names are logged. */
export function unusedSettings(config: ModelConfig): string[] {
  const has = (message: unknown, ...fields: string[]): string[] =>
    fields.filter((field) => (message as { [name: string]: unknown } | undefined)?.[field] !== undefined);
  const within = (name: string, message: unknown, ...fields: string[]): string[] =>
    has(message, ...fields).map((field) => `${name}.${field}`);
  return [
    ...has(config, 'cc_model_filenames', 'metric_tags', 'model_metrics', 'response_cache', 'runtime'),
    ...within('optimization', config.optimization, 'priority', 'cuda', 'execution_accelerators', 'eager_batching'),
    ...within('dynamic_batching', config.dynamic_batching, 'preserve_ordering', 'priority_levels'),
    ...within('dynamic_batching', config.dynamic_batching, 'default_queue_policy', 'priority_queue_policy'),
    ...(config.instance_group ?? []).flatMap((group) =>
      within('instance_group', group, 'gpus', 'rate_limiter', 'secondary_devices', 'profile', 'host_policy'),
    ),
    ...(config.instance_group?.some(({ kind }) => kind === 'KIND_GPU') ? ['instance_group.kind KIND_GPU'] : []),
  ];
}
