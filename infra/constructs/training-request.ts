import { Duration } from 'aws-cdk-lib';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { JsonPath, type TaskStateBaseProps } from 'aws-cdk-lib/aws-stepfunctions';
import type { TrainingOptions } from '../training-options.ts';
import { ATTEMPT, EXECUTION_HASH } from './execution.ts';
import type { TrainingImage } from './training-image.ts';
import type { TrainingBuckets } from './training-role.ts';

export type TrainingRequestProps = {
  readonly model: string;
  readonly options: TrainingOptions;
  readonly image: TrainingImage;
  readonly buckets: TrainingBuckets;
  /** Where the training program lies in the bucket of artifacts: `code/<hash>`. */
  readonly codePrefix: string;
};

/** Of the state that trains. */
export type TrainingStateProps = TrainingRequestProps &
  TaskStateBaseProps & {
    /** Whoever reads it trains in SageMaker's place. Default: SageMaker does. */
    readonly queue?: Queue | undefined;
  };

/** Where SageMaker puts the channel `code`: the toolkit runs the program from there, and needs no network for it. */
const CODE_FOLDER = '/opt/ml/input/data/code';
/** In a name, beside a hash of 40 characters, two numbers of two digits and three hyphens: 63 are allowed. */
const MAX_NAME_PART = 16;

/**
 * The request of CreateTrainingJob, with JSON paths for what an execution knows. CDK's own task lacks spot capacity,
 * checkpoints, retries, plain files as output and encryption between containers, and takes texts and numbers alike as
 * hyper-parameters, where the API takes texts only.
 */
export function trainingRequest(props: TrainingRequestProps, roleArn: string): object {
  const { model, options, image } = props;
  return {
    TrainingJobName: jobName(model),
    HyperParameters: hyperParameters(props),
    AlgorithmSpecification: { TrainingImage: image.uri, ...algorithm(options) },
    ...whatEachJobIs(props, roleArn),
    ...checkpoints(props),
  };
}

/** The part of CreateHyperParameterTuningJob that says what each of its training jobs is. */
export function tunedTrainingRequest(props: TrainingRequestProps, roleArn: string): object {
  const { options, image } = props;
  return {
    StaticHyperParameters: hyperParameters(props),
    AlgorithmSpecification: { TrainingImage: image.uri, ...algorithm(options) },
    ...whatEachJobIs(props, roleArn),
  };
}

function algorithm({ inputMode, metrics, search }: TrainingOptions): object {
  const names = new Set([...metrics, ...(search === undefined ? [] : [search.objective])]);
  return {
    TrainingInputMode: inputMode,
    MetricDefinitions: [...names].map((Name) => ({ Name, Regex: `\\b${Name}=([0-9.eE+-]+)` })),
  };
}

function whatEachJobIs({ model, options, buckets, codePrefix }: TrainingRequestProps, RoleArn: string): object {
  const bucket = `s3://${buckets.artifacts.bucketName}`;
  return {
    RoleArn,
    // Each host has all files and takes its own part: the parts of an epoch are drawn anew.
    InputDataConfig: [
      { ChannelName: 'training', DataSource: folder(JsonPath.stringAt('$.snapshot')) },
      // The program is read whole, whatever the data's mode.
      { ChannelName: 'code', DataSource: folder(`${bucket}/${codePrefix}/`), InputMode: 'File' },
    ],
    OutputDataConfig: { S3OutputPath: `${bucket}/staging/${model}`, CompressionType: 'NONE' },
    ResourceConfig: {
      InstanceCount: options.instanceCount,
      InstanceType: options.instanceType,
      VolumeSizeInGB: options.volumeGb,
      ...(options.volumeKmsKeyArn === undefined ? {} : { VolumeKmsKeyId: options.volumeKmsKeyArn }),
    },
    StoppingCondition: {
      MaxRuntimeInSeconds: options.maxRunSeconds,
      ...(options.spot ? { MaxWaitTimeInSeconds: longestAttempt(options) } : {}),
    },
    EnableNetworkIsolation: true,
    EnableManagedSpotTraining: options.spot,
    EnableInterContainerTrafficEncryption: options.instanceCount > 1,
    ...(options.retries > 0 ? { RetryStrategy: { MaximumRetryAttempts: options.retries } } : {}),
  };
}

/** Beside the time that jobs may run: to be given instances, to bring images and data, and the model back. */
const OVERHEAD = Duration.hours(6);

/** Of a state that trains. */
export function longestJob(options: TrainingOptions): Duration {
  const { retries, search } = options;
  const rounds = search === undefined ? 1 : Math.ceil(search.jobs / search.parallelJobs);
  return Duration.seconds(rounds * (retries + 1) * longestAttempt(options)).plus(OVERHEAD);
}

/** In seconds; with spot capacity for the capacity and for the run together. */
function longestAttempt({ spot, maxWaitSeconds, maxRunSeconds }: TrainingOptions): number {
  return spot ? (maxWaitSeconds ?? 2 * maxRunSeconds) : maxRunSeconds;
}

/** Of the execution, not of the job: a job that follows one without capacity goes on where it was. */
function checkpoints({ model, options, buckets }: TrainingRequestProps): object {
  if (!options.checkpoints) return {};
  const S3Uri = JsonPath.format(
    `s3://{}/checkpoints/${model}/{}`,
    buckets.artifacts.bucketName,
    JsonPath.stringAt(EXECUTION_HASH),
  );
  return { CheckpointConfig: { S3Uri } };
}

function folder(S3Uri: string): object {
  return { S3DataSource: { S3DataType: 'S3Prefix', S3Uri, S3DataDistributionType: 'FullyReplicated' } };
}

/** What the names of a model's training jobs begin with: in small letters, as they stand in the jobs' ARNs. */
export function jobNamePart(model: string): string {
  return model
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, MAX_NAME_PART)
    .replace(/-$/, '');
}

/** Unique for each execution, each attempt and each retry of the state: a name that was used is refused. */
function jobName(model: string): string {
  return JsonPath.format(
    `${jobNamePart(model)}-{}-{}-{}`,
    JsonPath.stringAt(EXECUTION_HASH),
    JsonPath.stringAt(ATTEMPT),
    JsonPath.stringAt('$$.State.RetryCount'),
  );
}

/** The API takes texts only. */
function hyperParameters({ model, options }: TrainingRequestProps): { [name: string]: string } {
  return {
    ...Object.fromEntries(Object.entries(options.hyperParameters).map(([name, value]) => [name, `${value}`])),
    // The toolkit reads values as JSON where they are: a model called 1.50 must not become 1.5.
    name: JSON.stringify(model),
    sagemaker_program: 'train.py',
    sagemaker_submit_directory: CODE_FOLDER,
    sagemaker_torch_distributed_enabled: 'true',
  };
}
