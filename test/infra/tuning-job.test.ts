import { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { DefinitionBody, StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { describe, expect, test } from 'vitest';
import { WrongConfig } from '../../infra/config.ts';
import { trainingImage } from '../../infra/constructs/training-image.ts';
import { TrainingJob } from '../../infra/constructs/training-job.ts';
import { TuningJob } from '../../infra/constructs/tuning-job.ts';
import { readTrainingOptions } from '../../infra/training-options.ts';
import { definitionIn, type Request, requestIn } from './requests.ts';
import { rightsOf } from './rights.ts';
import { machineRights, TRAINING_RIGHTS } from './training-rights.ts';
import { wrongIn } from './wrong-requests.ts';

const RANGES = { 'learning-rate': { min: 0.001, max: 0.1, scale: 'log' } };

/** A stack with nothing but a search. */
function stackWith(search: object, options: object = {}): Template {
  const stack = new Stack(new App(), 'Training', { env: { account: '111122223333', region: 'eu-west-1' } });
  const read = readTrainingOptions(
    'training.json',
    JSON.stringify({ ...options, search: { ranges: RANGES, ...search } }),
  );
  if (read.search === undefined) throw new Error('expected a search');
  const props = {
    model: 'digits',
    options: read,
    image: trainingImage(stack, read),
    buckets: { artifacts: new Bucket(stack, 'Artifacts') },
    codePrefix: 'code/0123abcd',
  };
  const job = new TuningJob(stack, 'Train', { ...props, search: read.search });
  job.next(new TrainingJob(stack, 'Plain', props));
  new StateMachine(stack, 'Machine', { definitionBody: DefinitionBody.fromChainable(job) });
  return Template.fromStack(stack);
}

const requestOf = (search: object, options?: object): Request =>
  requestIn(definitionIn(stackWith(search, options)).States.Train.Parameters);

describe('the request', () => {
  test('is valid by AWS’s own model of the API, for every combination', { timeout: 120_000 }, async () => {
    const requests = [
      requestOf({}),
      requestOf({ jobs: 20, parallelJobs: 4, objective: 'loss', maximise: false }),
      requestOf({ ranges: { epochs: { min: 2, max: 20, integer: true }, optimizer: { values: ['sgd', 'adamw'] } } }),
      requestOf({ ranges: { width: { values: [1, 2, 4] }, nesterov: { values: [true, false] } } }, { metrics: [] }),
      requestOf({}, { instanceCount: 2, instanceType: 'ml.g5.xlarge', retries: 0, inputMode: 'FastFile' }),
    ];
    expect(await wrongIn('CreateHyperParameterTuningJob', requests)).toEqual(requests.map(() => ''));
  });

  test('the check finds a name that is too long, a range in numbers and an unknown key', async () => {
    const request = requestOf({});
    const { TrainingJobDefinition: definition, HyperParameterTuningJobConfig: config } = request;
    const found = await wrongIn('CreateHyperParameterTuningJob', [
      { ...request, HyperParameterTuningJobName: 'x'.repeat(33) },
      { ...request, TrainingJobDefinition: { ...definition, TrainingJobName: 'digits' } },
      {
        ...request,
        HyperParameterTuningJobConfig: {
          ...config,
          ParameterRanges: { ContinuousParameterRanges: [{ Name: 'l1', MinValue: 0, MaxValue: 1 }] },
        },
      },
    ]);
    expect(found.every((problem) => problem !== '')).toBe(true);
  });

  test('tries ranges for the best of a metric that the jobs are looked at for', () => {
    const request = requestOf({
      jobs: 9,
      parallelJobs: 3,
      objective: 'val_loss',
      maximise: false,
      ranges: { ...RANGES, epochs: { min: 2, max: 20, integer: true }, optimizer: { values: ['sgd', 'adamw'] } },
    });
    expect(request.HyperParameterTuningJobName).toMatch(/^[0-9a-f]{32}$/);
    expect(request.HyperParameterTuningJobConfig).toEqual({
      Strategy: 'Bayesian',
      HyperParameterTuningJobObjective: { Type: 'Minimize', MetricName: 'val_loss' },
      ResourceLimits: { MaxNumberOfTrainingJobs: 9, MaxParallelTrainingJobs: 3 },
      ParameterRanges: {
        ContinuousParameterRanges: [
          { Name: 'learning-rate', MinValue: '0.001', MaxValue: '0.1', ScalingType: 'Logarithmic' },
        ],
        IntegerParameterRanges: [{ Name: 'epochs', MinValue: '2', MaxValue: '20', ScalingType: 'Linear' }],
        CategoricalParameterRanges: [{ Name: 'optimizer', Values: ['sgd', 'adamw'] }],
      },
    });
    expect(request.TrainingJobDefinition.AlgorithmSpecification.MetricDefinitions).toContainEqual({
      Name: 'val_loss',
      Regex: '\\bval_loss=([0-9.eE+-]+)',
    });
  });

  test('makes the jobs that a plain training job is, but for checkpoints, which they would share', () => {
    const { States } = definitionIn(stackWith({}, { hyperParameters: { epochs: 5 } }));
    const { StaticHyperParameters, ...tuned } = requestIn(States.Train.Parameters).TrainingJobDefinition;
    const { HyperParameters, TrainingJobName, CheckpointConfig, ...plain } = requestIn(States.Plain.Parameters);
    expect(StaticHyperParameters).toEqual(HyperParameters);
    const { RoleArn, ...same } = plain;
    expect(tuned).toMatchObject(same);
    expect(Object.keys(tuned).sort()).toEqual([...Object.keys(same), 'RoleArn'].sort());
    expect([TrainingJobName, CheckpointConfig, RoleArn]).not.toContain(undefined);
  });

  test('has another name in each attempt and each retry', () => {
    const name = definitionIn(stackWith({})).States.Train.Parameters['HyperParameterTuningJobName.$'];
    expect(name).toBe(
      "States.Hash(States.Format('{} {} {}', $$.Execution.Id, $.capacity.attempt, $$.State.RetryCount), 'MD5')",
    );
  });
});

test('the machine may run searches, and their jobs have the rights of a plain one', () => {
  const { TrainRole, MachineRole = [] } = rightsOf(stackWith({}));
  expect(TrainRole).toEqual(TRAINING_RIGHTS);
  const kind = 'HyperParameterTuningJob';
  const rule = 'StepFunctionsGetEventsForSageMakerHyperParameterTuningJobsRule';
  expect(MachineRole).toEqual(expect.arrayContaining(machineRights(kind, 'hyper-parameter-tuning-job/*', rule)));
});

describe('training.json', () => {
  const read = (options: unknown) => readTrainingOptions('training.json', JSON.stringify(options));

  test('has a default for everything but the ranges', () => {
    expect(read({ search: { ranges: RANGES } }).search).toEqual({
      jobs: 10,
      parallelJobs: 2,
      objective: 'held_out_accuracy',
      maximise: true,
      ranges: { 'learning-rate': { min: 0.001, max: 0.1, scale: 'log', integer: false } },
    });
  });

  const searching = (range: unknown) => ({ search: { ranges: { l1: range } } });
  test.each<[unknown, string]>([
    [{ search: {} }, 'search.ranges is not set; expected an object of ranges'],
    [{ search: { ranges: {} } }, 'expected 1 to 30 ranges'],
    [{ search: { ranges: RANGES, tries: 3 } }, 'search.tries is unknown; expected an object with jobs, parallelJobs'],
    [{ search: { ranges: RANGES, jobs: 1 } }, 'expected a number of parallelJobs that is at most that of jobs, 1'],
    [{ search: { ranges: RANGES }, spot: true }, 'spot is true; expected false, as search tries several jobs'],
    [
      { search: { ranges: RANGES }, hyperParameters: { 'learning-rate': 1 } },
      'expected no range of learning-rate, which is one of hyperParameters',
    ],
    [{ search: { ranges: { name: { values: ['a', 'b'] } } } }, 'expected no range of name'],
    [{ search: { ranges: { Epochs: RANGES['learning-rate'] } } }, 'expected names of small letters'],
    [searching({ min: 1, max: 1 }), 'search.ranges.l1 is {"min":1,"max":1}; expected a min that is less than max'],
    [searching({ min: 0, max: 1, scale: 'log' }), 'expected a min above 0, as scale is log'],
    [searching({ min: 0, max: 1.5, integer: true }), 'expected whole numbers for min and max, as integer is true'],
    [searching({ min: 0 }), 'search.ranges.l1 is {"min":0}; expected {"min": number, "max": number, "scale"'],
    [searching({ values: ['a'] }), 'search.ranges.l1 is {"values":["a"]}; expected {"min": number'],
    [searching(3), 'search.ranges.l1 is 3; expected {"min": number'],
  ])('%j is refused with a sentence', (options, sentence) => {
    expect(() => read(options)).toThrow(WrongConfig);
    expect(() => read(options)).toThrow(sentence);
  });
});
