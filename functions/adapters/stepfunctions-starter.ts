import {
  DescribeExecutionCommand,
  ExecutionAlreadyExists,
  ExecutionDoesNotExist,
  SFNClient,
  StartExecutionCommand,
  StopExecutionCommand,
} from '@aws-sdk/client-sfn';
import {
  type ExecutionInput,
  type ExecutionState,
  executionName,
  NotTrained,
  type Starter,
  type Stopper,
} from '../retrain/ports.ts';

const STATES: { readonly [status: string]: ExecutionState } = {
  RUNNING: 'running',
  PENDING_REDRIVE: 'running',
  SUCCEEDED: 'succeeded',
  FAILED: 'failed',
  TIMED_OUT: 'failed',
  ABORTED: 'stopped',
};

/** Starts executions of Step Functions. A name is used once in 90 days, so that an upload is never trained on twice. */
export class StepFunctionsStarter implements Starter, Stopper {
  readonly #client = new SFNClient();
  readonly #stateMachineOf: (model: string) => string | undefined;

  /** @param stateMachineOf the ARN of a model's, where it has one */
  constructor(stateMachineOf: (model: string) => string | undefined) {
    this.#stateMachineOf = stateMachineOf;
  }

  async start(input: ExecutionInput): Promise<string> {
    const name = executionName(input);
    const { model, id, snapshot } = input;
    try {
      await this.#client.send(
        new StartExecutionCommand({
          stateMachineArn: this.#stateMachine(model),
          name,
          input: JSON.stringify({ model, id, snapshot }),
        }),
      );
    } catch (error) {
      // It has ended by now. One that still runs is answered as if it had just been started.
      if (!(error instanceof ExecutionAlreadyExists)) throw error;
    }
    return name;
  }

  async state(model: string, execution: string): Promise<ExecutionState | undefined> {
    const executionArn = this.#execution(model, execution);
    try {
      const { status = '' } = await this.#client.send(new DescribeExecutionCommand({ executionArn }));
      return STATES[status];
    } catch (error) {
      if (error instanceof ExecutionDoesNotExist) return undefined;
      throw error;
    }
  }

  /** SageMaker's job is stopped with it. */
  async stop(model: string, execution: string, cause: string): Promise<void> {
    try {
      await this.#client.send(new StopExecutionCommand({ executionArn: this.#execution(model, execution), cause }));
    } catch (error) {
      if (!(error instanceof ExecutionDoesNotExist)) throw error;
    }
  }

  #execution(model: string, name: string): string {
    return `${this.#stateMachine(model).replace(':stateMachine:', ':execution:')}:${name}`;
  }

  #stateMachine(model: string): string {
    const arn = this.#stateMachineOf(model);
    if (arn === undefined) {
      throw new NotTrained(`'${model}' has no state machine; expected a deployment since it has its training.json`);
    }
    return arn;
  }
}
