import {
  DescribeExecutionCommand,
  ExecutionAlreadyExists,
  ExecutionDoesNotExist,
  SFNClient,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn';
import { type ExecutionInput, type ExecutionState, executionName, type Starter } from '../retrain/ports.ts';

const STATES: { readonly [status: string]: ExecutionState } = {
  RUNNING: 'running',
  PENDING_REDRIVE: 'running',
  SUCCEEDED: 'succeeded',
  FAILED: 'failed',
  TIMED_OUT: 'failed',
  ABORTED: 'stopped',
};

/** Starts executions of Step Functions. A name is used once in 90 days, so that an upload is never trained on twice. */
export class StepFunctionsStarter implements Starter {
  readonly #client = new SFNClient();
  readonly #stateMachines: { readonly [model: string]: string };

  /** @param stateMachines the ARN of each model's */
  constructor(stateMachines: { readonly [model: string]: string }) {
    this.#stateMachines = stateMachines;
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
    const executionArn = `${this.#stateMachine(model).replace(':stateMachine:', ':execution:')}:${execution}`;
    try {
      const { status = '' } = await this.#client.send(new DescribeExecutionCommand({ executionArn }));
      return STATES[status];
    } catch (error) {
      if (error instanceof ExecutionDoesNotExist) return undefined;
      throw error;
    }
  }

  #stateMachine(model: string): string {
    const arn = Object.hasOwn(this.#stateMachines, model) ? this.#stateMachines[model] : undefined;
    if (arn === undefined) {
      throw new Error(`'${model}' has no state machine; expected a deployment since it has its training.json`);
    }
    return arn;
  }
}
