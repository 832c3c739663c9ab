import { Duration, Size } from 'aws-cdk-lib';
import { InstanceType } from 'aws-cdk-lib/aws-ec2';
import type { Role } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { IntegrationPattern, JsonPath, type QueryLanguage } from 'aws-cdk-lib/aws-stepfunctions';
import { DockerImage, InputMode, S3Location, SageMakerCreateTrainingJob } from 'aws-cdk-lib/aws-stepfunctions-tasks';
import type { Construct } from 'constructs';
import type { TrainingOptions } from '../training-options.ts';
import type { TrainingImage } from './training-image.ts';
import { type TrainingBuckets, trainingRole } from './training-role.ts';

export type TrainingJobProps = {
  readonly model: string;
  readonly options: TrainingOptions;
  readonly image: TrainingImage;
  readonly buckets: TrainingBuckets;
  /** Where the training program lies in the bucket of artifacts: `code/<hash>`. */
  readonly codePrefix: string;
};

/** What CDK renders of CreateTrainingJob, as far as it is changed here. */
type Request = {
  readonly InputDataConfig: readonly object[];
  readonly OutputDataConfig: object;
  readonly StoppingCondition: object;
};

/** Where SageMaker puts the channel `code`: the toolkit runs the program from there, and needs no network for it. */
const CODE_FOLDER = '/opt/ml/input/data/code';
/** In a name, beside a hash of 40 characters, a number of retries and two hyphens: 63 are allowed. */
const MAX_NAME_PART = 18;

/**
 * A SageMaker training job as a state of a Step Functions state machine. CDK's own task, with what it does not know:
 * spot capacity, checkpoints, retries, plain files as output, and encryption between containers.
 *
 * The state's input holds `manifest`, the S3 URI of a SageMaker manifest of the files to train on.
 */
export class TrainingJob extends SageMakerCreateTrainingJob {
  readonly #props: TrainingJobProps;
  readonly trainingRole: Role;

  constructor(scope: Construct, id: string, props: TrainingJobProps) {
    const { model, options, image, buckets, codePrefix } = props;
    const { artifacts } = buckets;
    const role = trainingRole(scope, `${id}Role`, model, image, buckets);
    super(scope, id, {
      integrationPattern: IntegrationPattern.RUN_JOB,
      trainingJobName: jobName(model),
      // The rights that CDK would add are more than needed.
      role: role.withoutPolicyUpdates(),
      algorithmSpecification: {
        trainingImage: DockerImage.fromRegistry(image.uri),
        trainingInputMode: options.inputMode === 'File' ? InputMode.FILE : InputMode.FAST_FILE,
        metricDefinitions: options.metrics.map((name) => ({ name, regex: `\\b${name}=([0-9.eE+-]+)` })),
      },
      enableNetworkIsolation: true,
      hyperparameters: hyperParameters(options),
      inputDataConfig: [
        {
          channelName: 'training',
          dataSource: { s3DataSource: { s3Location: S3Location.fromBucket(artifacts, 'replaced-below') } },
        },
        {
          channelName: 'code',
          dataSource: { s3DataSource: { s3Location: S3Location.fromBucket(artifacts, codePrefix) } },
          // The program is read whole, whatever the data's mode.
          inputMode: InputMode.FILE,
        },
      ],
      outputDataConfig: { s3OutputLocation: S3Location.fromBucket(artifacts, `staging/${model}`) },
      resourceConfig: {
        instanceCount: options.instanceCount,
        instanceType: new InstanceType(options.instanceType.replace(/^ml\./, '')),
        volumeSize: Size.gibibytes(options.volumeGb),
        ...(options.volumeKmsKeyArn === undefined
          ? {}
          : { volumeEncryptionKey: Key.fromKeyArn(scope, `${id}VolumeKey`, options.volumeKmsKeyArn) }),
      },
      stoppingCondition: { maxRuntime: Duration.seconds(options.maxRunSeconds) },
    });
    this.#props = props;
    this.trainingRole = role;
  }

  override toStateJson(topLevelQueryLanguage?: QueryLanguage): object {
    const state = super.toStateJson(topLevelQueryLanguage) as { Parameters: Request };
    const { model, options, buckets } = this.#props;
    const { Parameters } = state;
    const [training, ...channels] = Parameters.InputDataConfig;
    return {
      ...state,
      Parameters: {
        ...Parameters,
        InputDataConfig: [
          {
            ...training,
            DataSource: {
              S3DataSource: {
                S3DataType: 'ManifestFile',
                'S3Uri.$': '$.manifest',
                // Each host has all files and takes its own part: the parts of an epoch are drawn anew.
                S3DataDistributionType: 'FullyReplicated',
              },
            },
          },
          ...channels,
        ],
        OutputDataConfig: { ...Parameters.OutputDataConfig, CompressionType: 'NONE' },
        StoppingCondition: {
          ...Parameters.StoppingCondition,
          ...(options.spot ? { MaxWaitTimeInSeconds: options.maxWaitSeconds ?? 2 * options.maxRunSeconds } : {}),
        },
        EnableManagedSpotTraining: options.spot,
        EnableInterContainerTrafficEncryption: options.instanceCount > 1,
        ...(options.checkpoints
          ? {
              CheckpointConfig: {
                'S3Uri.$': JsonPath.format(
                  `s3://{}/checkpoints/${model}/{}`,
                  buckets.artifacts.bucketName,
                  JsonPath.stringAt(EXECUTION_HASH),
                ),
              },
            }
          : {}),
        ...(options.retries > 0 ? { RetryStrategy: { MaximumRetryAttempts: options.retries } } : {}),
      },
    };
  }
}

const EXECUTION_HASH = "States.Hash($$.Execution.Id, 'SHA-1')";

/** Unique for each execution and each attempt of the state: a name that was used is refused. */
function jobName(model: string): string {
  const part = model
    .replace(/[^A-Za-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, MAX_NAME_PART)
    .replace(/-$/, '');
  return JsonPath.format(`${part}-{}-{}`, JsonPath.stringAt(EXECUTION_HASH), JsonPath.stringAt('$$.State.RetryCount'));
}

/** The API takes texts only. */
function hyperParameters({ hyperParameters: own }: TrainingOptions): { [name: string]: string } {
  return {
    ...Object.fromEntries(Object.entries(own).map(([name, value]) => [name, `${value}`])),
    sagemaker_program: 'train.py',
    sagemaker_submit_directory: CODE_FOLDER,
    sagemaker_torch_distributed_enabled: 'true',
  };
}
