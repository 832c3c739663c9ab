import { type Lines, Schema } from './protobuf-schema.ts';

/**
 * Names and types of the fields of Triton's ModelConfig, so that everything Triton's generators write is read and
 * everything else is refused: `name:type`, `*` for repeated, `{}` for a map from strings.
 * https://github.com/triton-inference-server/common/blob/main/protobuf/model_config.proto
 */
const MESSAGES: Lines = {
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

const ENUMS: Lines = {
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

export const MODEL_CONFIG = new Schema('ModelConfig', MESSAGES, ENUMS);
