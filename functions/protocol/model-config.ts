/**
 * The part of Triton's ModelConfig message (config.pbtxt, and `GET /v2/models/{model}/config`) that decides how a model is
 * served, under the message's own field names. Fields that are not listed are carried along.
 * https://github.com/triton-inference-server/common/blob/main/protobuf/model_config.proto
 */
export type ModelConfig = {
  readonly name?: string;
  readonly platform?: string;
  readonly backend?: string;
  readonly version_policy?: {
    readonly latest?: { readonly num_versions?: number };
    readonly all?: object;
    readonly specific?: { readonly versions?: readonly number[] };
  };
  /** 0: `dims` are the whole shape. Above: a batch dimension comes before `dims`, of at most this size. */
  readonly max_batch_size?: number;
  readonly input?: readonly TensorConfig[];
  readonly output?: readonly TensorConfig[];
  readonly default_model_filename?: string;
  readonly instance_group?: readonly { readonly count?: number; readonly kind?: string }[];
  readonly optimization?: { readonly graph?: { readonly level?: number } };
  readonly dynamic_batching?: {
    readonly preferred_batch_size?: readonly number[];
    readonly max_queue_delay_microseconds?: number;
  };
  readonly model_warmup?: readonly WarmupConfig[];
  readonly parameters?: { readonly [name: string]: { readonly string_value?: string } };
  readonly [field: string]: unknown;
};

/** A made-up request that is run before the model serves. */
export type WarmupConfig = {
  readonly name?: string;
  /** Rows; each is the same. */
  readonly batch_size?: number;
  /** Times that it is run. */
  readonly count?: number;
  readonly inputs?: { readonly [name: string]: WarmupInput };
};

export type WarmupInput = {
  readonly data_type?: string;
  readonly dims?: readonly number[];
  readonly zero_data?: boolean;
  readonly random_data?: boolean;
  /** A file of one row in the model's `warmup` folder, in the layout of the binary tensor data extension. */
  readonly input_data_file?: string;
};

export type TensorConfig = {
  readonly name?: string;
  /** TYPE_FP32 and so on; TYPE_STRING is the protocol's BYTES. */
  readonly data_type?: string;
  readonly dims?: readonly number[];
  /** The model's own shape, where it is not `dims`. */
  readonly reshape?: { readonly shape?: readonly number[] };
  readonly optional?: boolean;
  /** File in the model's folder with one label per line. */
  readonly label_filename?: string;
  readonly [field: string]: unknown;
};
