import { createRequire } from 'node:module';
import { describe, expect, test } from 'vitest';
import {
  CAPACITY,
  FUNCTION_FAILED,
  MESSAGE_REFUSED,
  SAGEMAKER_SERVICE,
} from '../../infra/constructs/retry-policies.ts';
import { definitionIn, requestIn } from './requests.ts';
import { rightsOf } from './rights.ts';
import { workflowWith } from './workflow.ts';
import { wrongIn } from './wrong-requests.ts';

/** The validator comes without types, and writes defaults into what it is given. */
type AslValidator = (definition: object) => { readonly errors: readonly { readonly Message: string }[] };
const aslValidator: AslValidator = createRequire(import.meta.url)('asl-validator');
const wrongStates = (definition: object) =>
  aslValidator(structuredClone(definition)).errors.map(({ Message }) => Message);

const SEARCH = { search: { ranges: { width: { min: 1, max: 4, integer: true } } } };
const { States } = definitionIn(workflowWith());

describe('the state machine', () => {
  test.each<[object, 'sagemaker' | 'callback']>([
    [{}, 'sagemaker'],
    [{ spot: true, instanceCount: 2, checkpoints: true }, 'sagemaker'],
    [SEARCH, 'sagemaker'],
    [{}, 'callback'],
    [SEARCH, 'callback'],
  ])('%j on %s is valid Amazon States Language', (options, trainer) => {
    expect(wrongStates(definitionIn(workflowWith(options, trainer)))).toEqual([]);
  });

  test('the check finds a state that is not there, and a path that is none', () => {
    const { Judge, ...others } = States;
    const wrong = [others, { ...States, Judge: { ...Judge, ResultPath: 'decision' } }];
    for (const states of wrong) {
      expect(wrongStates({ ...definitionIn(workflowWith()), States: states })).not.toEqual([]);
    }
  });

  test('asks SageMaker for what it takes', { timeout: 120_000 }, async () => {
    expect(await wrongIn('CreateTrainingJob', [requestIn(States.Train.Parameters)])).toEqual(['']);
    const search = definitionIn(workflowWith(SEARCH)).States.Train.Parameters;
    expect(await wrongIn('CreateHyperParameterTuningJob', [requestIn(search)])).toEqual(['']);
  });

  test('every state that calls something tries again, and catches what stays', () => {
    const tasks = Object.entries(States).filter(([, { Type }]) => Type === 'Task');
    expect(tasks.map(([name]) => name).sort()).toEqual([
      'ConcludeFailed',
      'ConcludePromoted',
      'ConcludeRejected',
      'Judge',
      'KeepForRedrive',
      'Promote',
      'Train',
    ]);
    for (const [name, task] of tasks) {
      expect([name, task.Retry?.length > 0, task.Catch?.[0]?.ErrorEquals]).toEqual([name, true, ['States.ALL']]);
    }
  });

  test.each([
    ['SageMaker’s own', SAGEMAKER_SERVICE, 930],
    ['of a function', FUNCTION_FAILED, 315],
    ['of a message', MESSAGE_REFUSED, 605],
  ])('errors %s are tried again for as long as is written down', (_, policy, seconds) => {
    const { interval, backoffRate = 1, maxAttempts = 0 } = policy;
    const waits = Array.from({ length: maxAttempts }, (__, n) => (interval?.toSeconds() ?? 0) * backoffRate ** n);
    expect(waits.reduce((sum, wait) => sum + wait, 0)).toBe(seconds);
  });

  test('a training that failed is not tried again, as it would fail in the same way', () => {
    const retried = States.Train.Retry.flatMap(({ ErrorEquals }: { ErrorEquals: string[] }) => ErrorEquals);
    expect(retried).toEqual(['SageMaker.AmazonSageMakerException']);
  });

  test('one without capacity is begun anew under another name, after 5 to 80 minutes', () => {
    expect(States.Train.Catch).toEqual([{ ErrorEquals: ['States.ALL'], ResultPath: '$.failure', Next: 'WhyNoModel' }]);
    expect(States.WhyNoModel.Default).toBe('ConcludeFailed');
    expect(States.AwaitCapacity).toMatchObject({ SecondsPath: '$.capacity.waitSeconds', Next: 'TrainAnew' });
    expect(States.TrainAnew).toMatchObject({ Next: 'Train' });
    expect(States.Train.Parameters['TrainingJobName.$']).toContain('$.capacity.attempt, $$.State.RetryCount');
    const { attempt, waitSeconds } = States.Begin.Result;
    const waits = Array.from({ length: CAPACITY.attempts }, (_, n) => (waitSeconds * 2 ** n) / 60);
    expect([attempt, ...waits]).toEqual([0, 5, 10, 20, 40, 80]);
  });

  test('may take as long as all of that does', () => {
    const { TimeoutSeconds } = definitionIn(workflowWith());
    expect(TimeoutSeconds).toBeGreaterThan((CAPACITY.attempts + 1) * States.Train.TimeoutSeconds + 155 * 60);
    // Twice for an error of SageMaker's own, and once more for that of an interrupted job.
    expect(States.Train.TimeoutSeconds).toBeGreaterThanOrEqual(3 * 3_600);
  });
});

describe('-c trainer=callback', () => {
  const callback = workflowWith({}, 'callback');
  const { Train, ...others } = definitionIn(callback).States;

  test('hands the identical request to a queue, with a token', () => {
    const { QueueUrl, MessageBody } = Train.Parameters;
    expect(Train.Resource).toBe('arn:aws:states:::sqs:sendMessage.waitForTaskToken');
    expect(QueueUrl).toMatch(/TrainingQueue/);
    expect(MessageBody).toEqual({
      'taskToken.$': '$$.Task.Token',
      action: 'createTrainingJob',
      request: States.Train.Parameters,
    });
  });

  test('changes nothing else', () => {
    const { Train: onSageMaker, ...same } = States;
    expect(others).toEqual(same);
    const { Resource: _, Parameters: __, ...state } = Train;
    const { Resource: ___, Parameters: ____, ...stateOnSageMaker } = onSageMaker;
    expect(state).toEqual(stateOnSageMaker);
  });

  test('and the machine may start no job then', () => {
    const { WorkflowStateMachineRole = [] } = rightsOf(callback);
    expect(WorkflowStateMachineRole.filter((right) => /^(sagemaker|iam|events):/.test(right))).toEqual([]);
    expect(WorkflowStateMachineRole).toContain('sqs:SendMessage on <TrainingQueue>');
  });

  test('a search is handed over in the same way', () => {
    const { States: searching } = definitionIn(workflowWith(SEARCH));
    const { MessageBody } = definitionIn(workflowWith(SEARCH, 'callback')).States.Train.Parameters;
    expect(MessageBody).toMatchObject({
      action: 'createHyperParameterTuningJob',
      request: searching.Train.Parameters,
    });
    expect(searching.Train.ResultSelector).toEqual({ 'job.$': '$.BestTrainingJob.TrainingJobName' });
  });
});
