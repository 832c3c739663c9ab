import { createHash } from 'node:crypto';
import { ArnFormat, Duration, type Stack } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { LogGroup } from 'aws-cdk-lib/aws-logs';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import {
  Choice,
  Condition,
  DefinitionBody,
  Fail,
  JsonPath,
  LogLevel,
  Pass,
  Result,
  StateMachine,
  Succeed,
  Timeout,
  Wait,
  WaitTime,
} from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { acknowledgeNameless, acknowledgePattern } from './acknowledged.ts';
import { CAPACITY, FUNCTION_FAILED, LAMBDA_SERVICE, MESSAGE_REFUSED, SAGEMAKER_SERVICE } from './retry-policies.ts';
import { integration, ServiceTask } from './service-task.ts';
import { TrainingJob } from './training-job.ts';
import { jobNamePart, longestJob, type TrainingRequestProps } from './training-request.ts';
import { TuningJob } from './tuning-job.ts';

export type RetrainingWorkflowProps = TrainingRequestProps & {
  /** Of the state machine: `workflowName`. */
  readonly name: string;
  readonly functions: { readonly judge: IFunction; readonly promote: IFunction; readonly conclude: IFunction };
  /** Runs that failed, for `npm run retrain -- redrive`. */
  readonly failures: Queue;
  /** Whoever reads it trains in SageMaker's place. Default: SageMaker does. */
  readonly trainer: Queue | undefined;
  readonly logGroup: LogGroup;
};

const MAX_STACK_NAME = 50;

/** A name that its functions can know before it is there: the state machine calls them, and they start it. */
export function workflowName({ stackName }: Stack, model: string): string {
  const hash = createHash('sha256').update(`${stackName} ${model}`).digest('hex').slice(0, 8);
  return `${stackName.slice(0, MAX_STACK_NAME)}-${jobNamePart(model)}-${hash}`;
}

export function workflowArn(stack: Stack, model: string): string {
  const arnFormat = ArnFormat.COLON_RESOURCE_NAME;
  const resourceName = workflowName(stack, model);
  return stack.formatArn({ service: 'states', resource: 'stateMachine', resourceName, arnFormat });
}

/**
 * The workflow of one model: train, judge, promote or not, conclude. It is given `Run` of functions/retrain/workflow.ts, and
 * what each state answers is kept under a name of its own.
 */
export class RetrainingWorkflow extends Construct {
  readonly stateMachine: StateMachine;
  readonly #props: RetrainingWorkflowProps;
  readonly #failed: Fail;
  readonly #keep: ServiceTask;

  constructor(scope: Construct, id: string, props: RetrainingWorkflowProps) {
    super(scope, id);
    this.#props = props;
    this.#failed = new Fail(this, 'Failed', {
      error: 'RunFailed',
      cause: 'The states before say why. What to do: docs/runbook.md, section FailedRuns.',
    });
    this.#keep = this.#keepForRedrive();
    const begin = new Pass(this, 'Begin', {
      result: Result.fromObject({ attempt: 0, waitSeconds: CAPACITY.firstWaitSeconds }),
      resultPath: '$.capacity',
    });
    const ended = new Succeed(this, 'Ended');
    const concludeFailed = this.#conclude('ConcludeFailed', { failure: JsonPath.objectAt('$.failure') });
    const found = { job: JsonPath.stringAt('$.training.job'), decision: JsonPath.objectAt('$.decision') };
    const promotion = JsonPath.objectAt('$.promotion');
    const promote = this.#call('Promote', props.functions.promote, this.#trainedRun());
    const judge = this.#call('Judge', props.functions.judge, this.#trainedRun());
    const decide = new Choice(this, 'Decide')
      .when(Condition.stringEquals('$.decision.outcome', 'promote'), promote)
      .otherwise(this.#conclude('ConcludeRejected', found).next(ended));
    for (const task of [judge, promote]) task.addCatch(concludeFailed, { resultPath: '$.failure' });
    promote.next(this.#conclude('ConcludePromoted', { ...found, promotion }).next(ended));
    concludeFailed.next(this.#keep);
    const train = this.#train();
    train.addCatch(this.#orWithoutCapacity(train, concludeFailed), { resultPath: '$.failure' });
    begin.next(train).next(judge).next(decide);

    const { name: stateMachineName, logGroup } = props;
    this.stateMachine = new StateMachine(this, 'StateMachine', {
      stateMachineName,
      comment: `Trains ${props.model} on a snapshot of its data, and promotes what is better`,
      definitionBody: DefinitionBody.fromChainable(begin),
      timeout: this.#longestRun(),
      tracingEnabled: true,
      logs: { destination: logGroup, level: LogLevel.ALL, includeExecutionData: true },
    });
    acknowledgeNameless(this.stateMachine.role);
    for (const arn of train.patterns) acknowledgePattern(this.stateMachine.role, arn);
  }

  #train(): ServiceTask {
    const { trainer: queue, options } = this.#props;
    const { search } = options;
    const shared = {
      ...this.#props,
      queue,
      taskTimeout: Timeout.duration(longestJob(options)),
      resultPath: '$.training',
      resultSelector: {
        job: JsonPath.stringAt(search === undefined ? '$.TrainingJobName' : '$.BestTrainingJob.TrainingJobName'),
      },
    };
    const train =
      search === undefined
        ? new TrainingJob(this, 'Train', shared)
        : new TuningJob(this, 'Train', { ...shared, search });
    train.addRetry(SAGEMAKER_SERVICE);
    return train;
  }

  /** A job that no instances were there for is begun anew, under another name: after a while, and later after longer. */
  #orWithoutCapacity(train: ServiceTask, concludeFailed: ServiceTask): Choice {
    const waitSeconds = JsonPath.numberAt('$.capacity.waitSeconds');
    const wait = new Wait(this, 'AwaitCapacity', { time: WaitTime.secondsPath('$.capacity.waitSeconds') });
    const anew = new Pass(this, 'TrainAnew', {
      parameters: {
        ...run(this.#props),
        capacity: {
          attempt: JsonPath.mathAdd(JsonPath.numberAt('$.capacity.attempt'), 1),
          waitSeconds: JsonPath.mathAdd(waitSeconds, waitSeconds),
        },
      },
    });
    wait.next(anew).next(train);
    return new Choice(this, 'WhyNoModel', { comment: 'An error of the training program is the same the next time' })
      .when(
        Condition.and(
          Condition.numberLessThan('$.capacity.attempt', CAPACITY.attempts),
          Condition.or(
            // The account's own limit of instances, which other jobs use up.
            Condition.stringEquals('$.failure.Error', 'SageMaker.ResourceLimitExceededException'),
            Condition.and(
              Condition.isPresent('$.failure.Cause'),
              // In the FailureReason of the job's description.
              Condition.stringMatches('$.failure.Cause', '*CapacityError*'),
            ),
          ),
        ),
        wait,
      )
      .otherwise(concludeFailed);
  }

  #conclude(name: string, how: object): ServiceTask {
    const { functions } = this.#props;
    const conclude = this.#call(name, functions.conclude, { ...run(this.#props), ...EXECUTION, ...how });
    conclude.addCatch(this.#keep, { resultPath: '$.failure' });
    return conclude;
  }

  /** @returns a state that calls a function, whose answer is kept under what it answers to */
  #call(name: string, lambda: IFunction, request: object): ServiceTask {
    const task = new ServiceTask(this, name, {
      resource: lambda.functionArn,
      request,
      policies: [new PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [lambda.functionArn] })],
      taskTimeout: Timeout.duration(LONGEST_CALL),
      resultPath: ANSWERS[name] ?? JsonPath.DISCARD,
    });
    task.addRetry(LAMBDA_SERVICE);
    task.addRetry(FUNCTION_FAILED);
    return task;
  }

  #trainedRun(): object {
    const { image, codePrefix } = this.#props;
    const job = JsonPath.stringAt('$.training.job');
    return { ...run(this.#props), ...EXECUTION, job, image: image.uri, code: codePrefix };
  }

  #keepForRedrive(): ServiceTask {
    const { failures } = this.#props;
    const failure = JsonPath.objectAt('$.failure');
    const keep = new ServiceTask(this, 'KeepForRedrive', {
      resource: integration('sqs:sendMessage'),
      request: { QueueUrl: failures.queueUrl, MessageBody: { ...run(this.#props), ...EXECUTION, failure } },
      policies: [new PolicyStatement({ actions: ['sqs:SendMessage'], resources: [failures.queueArn] })],
      resultPath: JsonPath.DISCARD,
    });
    keep.addRetry(MESSAGE_REFUSED);
    keep.addCatch(this.#failed, { resultPath: JsonPath.DISCARD });
    keep.next(this.#failed);
    return keep;
  }

  /** Every attempt with every wait, and an hour for the rest. */
  #longestRun(): Duration {
    const { attempts, firstWaitSeconds } = CAPACITY;
    const jobs = (attempts + 1) * longestJob(this.#props.options).toSeconds();
    const waits = (2 ** attempts - 1) * firstWaitSeconds;
    return Duration.seconds(jobs + waits).plus(Duration.hours(3));
  }
}

const EXECUTION = { execution: JsonPath.stringAt('$$.Execution.Name') };
const ANSWERS: { readonly [state: string]: string } = { Judge: '$.decision', Promote: '$.promotion' };
/** A minute more than a function may run. */
const LONGEST_CALL = Duration.minutes(16);

/** `Run` of functions/retrain/workflow.ts. */
function run({ model }: RetrainingWorkflowProps): object {
  return { model, id: JsonPath.stringAt('$.id'), snapshot: JsonPath.stringAt('$.snapshot') };
}
