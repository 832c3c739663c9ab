import { App, CfnOutput, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { DefinitionBody, StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { describe, expect, test } from 'vitest';
import { WrongConfig } from '../../infra/config.ts';
import { trainingImage } from '../../infra/constructs/training-image.ts';
import { TrainingJob } from '../../infra/constructs/training-job.ts';
import { readTrainingOptions } from '../../infra/training-options.ts';
import { definitionIn, EXECUTION_HASH, type Request, requestIn } from './requests.ts';
import { flat, rightsOf } from './rights.ts';
import { machineRights, TRAINING_RIGHTS } from './training-rights.ts';
import { wrongIn } from './wrong-requests.ts';

const env = { account: '111122223333', region: 'eu-west-1' };
type Given = { options?: object; model?: string; region?: string };

/** A stack with nothing but the job. */
function stackWith({ options = {}, model = 'digits', region }: Given = {}): Template {
  const stack = new Stack(new App(), 'Training', { env: region === undefined ? env : { ...env, region } });
  const read = readTrainingOptions('training.json', JSON.stringify(options));
  const job = new TrainingJob(stack, 'Train', {
    model,
    options: read,
    image: trainingImage(stack, read),
    buckets: { artifacts: new Bucket(stack, 'Artifacts') },
    codePrefix: 'code/0123abcd',
  });
  new StateMachine(stack, 'Machine', { definitionBody: DefinitionBody.fromChainable(job) });
  return Template.fromStack(stack);
}

/** The request as SageMaker would get it: the first retry of an execution's third attempt. */
function requestOf(given: Given): Request {
  return requestIn(definitionIn(stackWith(given)).States.Train.Parameters);
}

const COMBINATIONS: Given[] = [
  {},
  { options: { instanceCount: 2, instanceType: 'ml.g5.xlarge' } },
  { options: { spot: true } },
  { options: { spot: true, maxRunSeconds: 600, maxWaitSeconds: 7_200, retries: 0 } },
  { options: { checkpoints: false, inputMode: 'FastFile' } },
  { options: { hyperParameters: { epochs: 5, 'learning-rate': 0.01, nesterov: true, optimizer: 'adamw' } } },
  { options: { volumeGb: 500, volumeKmsKeyArn: 'arn:aws:kms:eu-west-1:111122223333:key/0123' } },
  { options: { metrics: [] } },
  { model: 'A.very-long_model.name'.repeat(5) },
  { model: '1.2.3' },
  { options: { image: 'project' } },
  { options: { image: '111122223333.dkr.ecr.eu-west-1.amazonaws.com/own/training:1' } },
];

describe('the request', () => {
  test('is valid by AWS’s own model of the API, for every combination', { timeout: 120_000 }, async () => {
    expect(await wrongIn('CreateTrainingJob', COMBINATIONS.map(requestOf))).toEqual(COMBINATIONS.map(() => ''));
  });

  test('the check finds an integer hyper-parameter, an unknown key and a name that is too long', async () => {
    const request = requestOf({});
    const wrong = [
      { ...request, HyperParameters: { epochs: 5 } },
      { ...request, Unknown: true },
      { ...request, TrainingJobName: 'x'.repeat(64) },
      { ...request, TrainingJobName: 'a_b' },
    ];
    const found = await wrongIn('CreateTrainingJob', wrong);
    expect(found.every((problem) => problem !== '')).toBe(true);
  });

  test('runs the program without a network, and leaves plain files', () => {
    const request = requestOf({ options: { hyperParameters: { epochs: 5 } } });
    expect(request).toMatchObject({
      TrainingJobName: `digits-${EXECUTION_HASH}-2-1`,
      EnableNetworkIsolation: true,
      EnableManagedSpotTraining: false,
      EnableInterContainerTrafficEncryption: false,
      HyperParameters: {
        epochs: '5',
        name: '"digits"',
        sagemaker_program: 'train.py',
        sagemaker_submit_directory: '/opt/ml/input/data/code',
        sagemaker_torch_distributed_enabled: 'true',
      },
      AlgorithmSpecification: {
        TrainingImage: '763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch:2.13-cpu-amzn2023-sagemaker',
      },
      OutputDataConfig: { CompressionType: 'NONE' },
      CheckpointConfig: { S3Uri: `s3://a-bucket-name/checkpoints/digits/${EXECUTION_HASH}` },
      RetryStrategy: { MaximumRetryAttempts: 2 },
      StoppingCondition: { MaxRuntimeInSeconds: 3_600 },
    });
    const metrics = ['loss', 'val_accuracy', 'held_out_accuracy'];
    expect(request.AlgorithmSpecification.MetricDefinitions).toEqual(
      metrics.map((Name) => ({ Name, Regex: `\\b${Name}=([0-9.eE+-]+)` })),
    );
    const [training, code] = request.InputDataConfig;
    expect(training).toEqual({
      ChannelName: 'training',
      DataSource: {
        S3DataSource: {
          S3DataType: 'S3Prefix',
          S3Uri: 's3://a-bucket-name/snapshots/digits/0123456789abcdef/',
          S3DataDistributionType: 'FullyReplicated',
        },
      },
    });
    expect(code).toMatchObject({ ChannelName: 'code', InputMode: 'File' });
  });

  test('on spot capacity it has checkpoints, and an end to the wait', () => {
    expect(requestOf({ options: { spot: true, maxRunSeconds: 600 } })).toMatchObject({
      EnableManagedSpotTraining: true,
      CheckpointConfig: {},
      StoppingCondition: { MaxRuntimeInSeconds: 600, MaxWaitTimeInSeconds: 1_200 },
    });
  });

  test('on several instances their traffic is encrypted; GPUs get an image for them', () => {
    const request = requestOf({ options: { instanceCount: 2, instanceType: 'ml.g5.xlarge' } });
    expect(request).toMatchObject({
      EnableInterContainerTrafficEncryption: true,
      ResourceConfig: { InstanceCount: 2, InstanceType: 'ml.g5.xlarge' },
      AlgorithmSpecification: { TrainingImage: expect.stringContaining('pytorch:2.13-cu133-') },
    });
  });
});

test('the role may read code and snapshots of its model’s data, and write what it has made; the machine may run that', () => {
  const { TrainRole, MachineRole } = rightsOf(stackWith());
  expect(MachineRole).toEqual(
    machineRights('TrainingJob', 'training-job/digits-*', 'StepFunctionsGetEventsForSageMakerTrainingJobsRule'),
  );
  expect(TrainRole).toEqual(TRAINING_RIGHTS);
});

describe('the image', () => {
  const imageIn = (region: string | undefined, image?: string) => {
    const stack = new Stack(new App(), 'Stack', region === undefined ? {} : { env: { ...env, region } });
    return { stack, ...trainingImage(stack, { instanceType: 'ml.m5.xlarge', image }) };
  };

  test('of a region is that of the account that AWS has there', () => {
    expect(imageIn('ap-east-1').uri).toMatch(/^871362719292\.dkr\.ecr\.ap-east-1\./);
  });

  test('in a region that is known only later is chosen by a mapping of all regions', () => {
    const { stack, uri } = imageIn(undefined);
    new CfnOutput(stack, 'Image', { value: uri });
    const { Mappings, Outputs } = Template.fromStack(stack).toJSON();
    expect(JSON.stringify(Outputs.Image.Value)).toContain(
      '{"Fn::FindInMap":["DlcRepositoryAccountMap",{"Ref":"AWS::Region"}',
    );
    expect(Mappings.DlcRepositoryAccountMap['us-east-1']).toEqual({ value: '763104351884' });
    expect(Mappings.DlcRepositoryAccountMap['ap-east-1']).toEqual({ value: '871362719292' });
  });

  test('in a region without one is refused, unless the configuration names one', () => {
    expect(() => imageIn('mx-central-1')).toThrow(WrongConfig);
    expect(() => imageIn('mx-central-1')).toThrow(/image is not set.*are not known to be in mx-central-1/);
    const own = '111122223333.dkr.ecr.mx-central-1.amazonaws.com/own/training:1';
    expect(imageIn('mx-central-1', own).uri).toBe(own);
    expect(flat(imageIn('mx-central-1', own).stack.resolve(imageIn('mx-central-1', own).repositoryArn))).toBe(
      'arn:<AWS::Partition>:ecr:mx-central-1:111122223333:repository/own/training',
    );
  });
});

describe('training.json', () => {
  const read = (options: unknown) =>
    readTrainingOptions('model-artifacts/digits/training.json', JSON.stringify(options));

  test('has a default for everything', () => {
    expect(read({})).toMatchObject({ instanceType: 'ml.m5.xlarge', instanceCount: 1, spot: false, checkpoints: true });
  });

  test.each<[unknown, string]>([
    [{ spot: true, checkpoints: false }, 'spot is true; expected false, as checkpoints is false'],
    [{ maxWaitSeconds: 600 }, 'maxWaitSeconds is 600; expected none, as spot is false'],
    [{ spot: true, maxWaitSeconds: 600 }, 'maxWaitSeconds is 600; expected at least maxRunSeconds, 3600'],
    [{ instanceType: 'm5.xlarge' }, 'instanceType is "m5.xlarge"; expected an instance type like ml.m5.xlarge'],
    [
      { image: 'project', instanceType: 'ml.g5.xlarge' },
      'instanceType is "ml.g5.xlarge"; expected one without a GPU, as image is project',
    ],
    [{ image: 'mine' }, 'image is "mine"; expected project, or an image of an ECR repository, like 1111'],
    [{ instanceCount: 0 }, 'instanceCount is 0; expected a whole number from 1 to 16'],
    [{ epochs: 5 }, 'epochs is unknown; expected one of image, instanceType'],
    [{ hyperParameters: { Epochs: 1 } }, 'hyperParameters is {"Epochs":1}; expected names of small letters'],
    [{ hyperParameters: { epochs: [1] } }, 'hyperParameters.epochs is [1]; expected a text, a number, true or false'],
    [{ hyperParameters: { name: 'mine' } }, 'expected no name, which is that of the model’s folder'],
    [[], 'is []; expected an object of options'],
  ])('%j is refused with a sentence', (options, sentence) => {
    expect(() => read(options)).toThrow(WrongConfig);
    expect(() => read(options)).toThrow(sentence);
  });

  test('that is no JSON is refused with a sentence', () => {
    expect(() => readTrainingOptions('training.json', '{')).toThrow(/^training\.json is no JSON: /);
  });
});
