import protojson from 'protobufjs/ext/protojson.js';
import textformat from 'protobufjs/ext/textformat.js';
import protobuf from 'protobufjs/light.js';
import { ModelRejected } from '../inference/ports.ts';
import type { ModelConfig } from '../protocol/model-config.ts';

/**
 * Names and types of the fields of Triton's ModelConfig, so that everything Triton's generators write is read and
 * everything else is refused: `name:type`, `*` for repeated, `{}` for a map from strings.
 * https://github.com/triton-inference-server/common/blob/main/protobuf/model_config.proto
 */
const MESSAGES: { readonly [message: string]: string } = {
  ModelConfig:
    'name:string platform:string backend:string runtime:string version_policy:VersionPolicy max_batch_size:int32 ' +
    'input:Input* output:Output* batch_input:BatchInput* batch_output:BatchOutput* optimization:Optimization ' +
    'dynamic_batching:DynamicBatching sequence_batching:SequenceBatching ensemble_scheduling:Ensemble ' +
    'instance_group:InstanceGroup* default_model_filename:string cc_model_filenames:string{} metric_tags:string{} ' +
    'parameters:Parameter{} model_warmup:Warmup* model_operations:Operations ' +
    'model_transaction_policy:TransactionPolicy model_repository_agents:RepositoryAgents response_cache:Switch ' +
    'model_metrics:Metrics',
  VersionPolicy: 'latest:Latest all:Empty specific:Specific',
  Latest: 'num_versions:uint32',
  Specific: 'versions:int64*',
  Empty: '',
  Input:
    'name:string data_type:DataType format:Format dims:int64* reshape:Shape is_shape_tensor:bool ' +
    'allow_ragged_batch:bool optional:bool is_non_linear_format_io:bool',
  Output:
    'name:string data_type:DataType dims:int64* reshape:Shape label_filename:string is_shape_tensor:bool ' +
    'is_non_linear_format_io:bool',
  Shape: 'shape:int64*',
  BatchInput: 'kind:BatchInputKind target_name:string* data_type:DataType source_input:string*',
  BatchOutput: 'target_name:string* kind:BatchOutputKind source_input:string*',
  InstanceGroup:
    'name:string kind:InstanceKind count:int32 rate_limiter:RateLimiter gpus:int32* secondary_devices:SecondaryDevice* ' +
    'profile:string* passive:bool host_policy:string',
  RateLimiter: 'resources:Resource* priority:uint32',
  Resource: 'name:string global:bool count:uint32',
  SecondaryDevice: 'kind:SecondaryDeviceKind device_id:int64',
  Optimization:
    'graph:Graph priority:ModelPriority cuda:Cuda execution_accelerators:ExecutionAccelerators ' +
    'input_pinned_memory:Switch output_pinned_memory:Switch gather_kernel_buffer_threshold:uint32 eager_batching:bool',
  Graph: 'level:int32',
  Switch: 'enable:bool',
  Cuda: 'graphs:bool busy_wait_events:bool graph_spec:GraphSpec* output_copy_stream:bool',
  GraphSpec: 'batch_size:int32 input:GraphShape{} graph_lower_bound:GraphLowerBound',
  GraphLowerBound: 'batch_size:int32 input:GraphShape{}',
  GraphShape: 'dim:int64*',
  ExecutionAccelerators: 'gpu_execution_accelerator:Accelerator* cpu_execution_accelerator:Accelerator*',
  Accelerator: 'name:string parameters:string{}',
  DynamicBatching:
    'preferred_batch_size:int32* max_queue_delay_microseconds:uint64 preserve_ordering:bool priority_levels:uint64 ' +
    'default_priority_level:uint64 default_queue_policy:QueuePolicy priority_queue_policy:QueuePolicy{}',
  QueuePolicy:
    'timeout_action:TimeoutAction default_timeout_microseconds:uint64 allow_timeout_override:bool max_queue_size:uint32',
  SequenceBatching:
    'direct:StrategyDirect oldest:StrategyOldest max_sequence_idle_microseconds:uint64 control_input:ControlInput* ' +
    'state:State* iterative_sequence:bool',
  StrategyDirect: 'max_queue_delay_microseconds:uint64 minimum_slot_utilization:float',
  StrategyOldest:
    'max_candidate_sequences:int32 preferred_batch_size:int32* max_queue_delay_microseconds:uint64 preserve_ordering:bool',
  ControlInput: 'name:string control:Control*',
  Control: 'kind:ControlKind int32_false_true:int32* fp32_false_true:float* bool_false_true:bool* data_type:DataType',
  State:
    'input_name:string output_name:string data_type:DataType dims:int64* initial_state:InitialState* ' +
    'use_same_buffer_for_input_output:bool use_growable_memory:bool',
  InitialState: 'data_type:DataType dims:int64* zero_data:bool data_file:string name:string',
  Ensemble: 'step:Step* max_inflight_requests:uint32',
  Step: 'model_name:string model_version:int64 input_map:string{} output_map:string{} model_namespace:string',
  Parameter: 'string_value:string',
  Warmup: 'name:string batch_size:uint32 inputs:WarmupInput{} count:uint32',
  WarmupInput: 'data_type:DataType dims:int64* zero_data:bool random_data:bool input_data_file:string',
  Operations: 'op_library_filename:string*',
  TransactionPolicy: 'decoupled:bool',
  RepositoryAgents: 'agents:Accelerator*',
  Metrics: 'metric_control:MetricControl*',
  MetricControl: 'metric_identifier:MetricIdentifier histogram_options:HistogramOptions',
  MetricIdentifier: 'family:string',
  HistogramOptions: 'buckets:double*',
};

const ENUMS: { readonly [name: string]: string } = {
  DataType:
    'TYPE_INVALID TYPE_BOOL TYPE_UINT8 TYPE_UINT16 TYPE_UINT32 TYPE_UINT64 TYPE_INT8 TYPE_INT16 TYPE_INT32 TYPE_INT64 ' +
    'TYPE_FP16 TYPE_FP32 TYPE_FP64 TYPE_STRING TYPE_BF16',
  Format: 'FORMAT_NONE FORMAT_NHWC FORMAT_NCHW',
  InstanceKind: 'KIND_AUTO KIND_GPU KIND_CPU KIND_MODEL',
  SecondaryDeviceKind: 'KIND_NVDLA',
  ModelPriority: 'PRIORITY_DEFAULT PRIORITY_MAX PRIORITY_MIN',
  TimeoutAction: 'REJECT DELAY',
  ControlKind: 'CONTROL_SEQUENCE_START CONTROL_SEQUENCE_READY CONTROL_SEQUENCE_END CONTROL_SEQUENCE_CORRID',
  BatchInputKind:
    'BATCH_ELEMENT_COUNT BATCH_ACCUMULATED_ELEMENT_COUNT BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO ' +
    'BATCH_MAX_ELEMENT_COUNT_AS_SHAPE BATCH_ITEM_SHAPE BATCH_ITEM_SHAPE_FLATTEN',
  BatchOutputKind: 'BATCH_SCATTER_WITH_INPUT_SHAPE',
};

/** Field numbers don't matter to text and JSON; they are given in order. */
function describeMessage(fields: string): protobuf.IType {
  const entries = fields.split(' ').filter(Boolean);
  return {
    fields: Object.fromEntries(
      entries.map((entry, i) => {
        const [, name, type, mark] = /^(\w+):(\w+)(\*|\{\})?$/.exec(entry) as unknown as [
          string,
          string,
          string,
          string?,
        ];
        const field = { type, id: i + 1 };
        if (mark === '{}') return [name, { ...field, keyType: 'string' }];
        return [name, mark === '*' ? { ...field, rule: 'repeated' } : field];
      }),
    ),
  };
}

const root = protobuf.Root.fromJSON({
  nested: {
    ...Object.fromEntries(Object.entries(MESSAGES).map(([name, fields]) => [name, describeMessage(fields)])),
    ...Object.fromEntries(
      Object.entries(ENUMS).map(([name, values]) => [
        name,
        { values: Object.fromEntries(values.split(' ').map((value, i) => [value, i])) },
      ]),
    ),
  },
});
const type = root.lookupType('ModelConfig');

/**
 * Reads a config.pbtxt: protobuf text format, in every form that Triton's own tools write.
 * @throws ModelRejected that says where the text is wrong
 */
export function parseModelConfig(text: string): ModelConfig {
  return read(() => textformat.fromText(type, text));
}

/**
 * Reads the JSON form, which a load request may bring along; numbers may be written as strings.
 * @throws ModelRejected that says where the text is wrong
 */
export function parseModelConfigJson(text: string): ModelConfig {
  return read(() => protojson.fromJsonString(type, text));
}

function read(parse: () => protobuf.Message): ModelConfig {
  let config: ModelConfig;
  try {
    config = plainMessage(type, parse()) as ModelConfig;
  } catch (error) {
    throw new ModelRejected(`config.pbtxt can't be read: ${(error as Error).message.replace(/^\./, '')}`);
  }
  const files = [
    config.default_model_filename,
    ...(config.output ?? []).map((output) => output.label_filename),
    ...(config.model_warmup ?? []).flatMap(({ inputs = {} }) =>
      Object.values(inputs).map((input) => input.input_data_file),
    ),
  ];
  for (const file of files) {
    if (file !== undefined && (!/^[\w.-]{1,255}$/.test(String(file)) || /^\.+$/.test(String(file)))) {
      throw new ModelRejected('config.pbtxt names a file outside of its folder; expected plain file names');
    }
  }
  return config;
}

/** As `toObject` has it, which compiles functions for each type before its first use: a third of the time of a start's parsing. */
function plainMessage(type: protobuf.Type, message: object): object {
  const values = message as { readonly [field: string]: unknown };
  // Lists and maps are there in every message, and empty where it says nothing.
  const isSet = ({ name, repeated, map }: protobuf.Field): boolean =>
    Object.hasOwn(values, name) && !((repeated || map) && Object.keys(values[name] as object).length === 0);
  const set = type.fieldsArray.filter(isSet);
  return Object.fromEntries(set.map((field) => [field.name, plainField(field, values[field.name])]));
}

function plainField(field: protobuf.Field, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((one) => plainValue(field, one));
  if (!field.map) return plainValue(field, value);
  return Object.fromEntries(Object.entries(value as object).map(([key, one]) => [key, plainValue(field, one)]));
}

/** Enums by name, and longs as numbers: no dimension, version or delay is above 2^53. */
function plainValue({ resolvedType }: protobuf.Field, value: unknown): unknown {
  if (resolvedType instanceof protobuf.Type) return plainMessage(resolvedType, value as object);
  if (resolvedType instanceof protobuf.Enum) return resolvedType.valuesById[value as number] ?? value;
  return typeof value === 'object' ? Number(value) : value;
}
