import { Aws } from 'aws-cdk-lib';
import type { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { QueryLanguage, TaskStateBase, type TaskStateBaseProps } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';

export type ServiceTaskProps = TaskStateBaseProps & {
  /** Of the integration: `sagemaker:createTrainingJob.sync`. */
  readonly action: string;
  /** The request of the API, with JSON paths by `JsonPath`. */
  readonly request: object;
  /** What the state machine's role needs for it, and nothing else. */
  readonly policies: readonly PolicyStatement[];
};

/** A task state of a service's API whose request and rights are written down as they are. */
export class ServiceTask extends TaskStateBase {
  readonly #action: string;
  readonly #request: object;
  protected override readonly taskPolicies: PolicyStatement[];
  protected override readonly taskMetrics = undefined;

  constructor(scope: Construct, id: string, { action, request, policies, ...props }: ServiceTaskProps) {
    super(scope, id, props);
    this.#action = action;
    this.#request = request;
    this.taskPolicies = [...policies];
  }

  protected override _renderTask(): object {
    const { Parameters } = this._renderParametersOrArguments(this.#request, QueryLanguage.JSON_PATH);
    return { Resource: `arn:${Aws.PARTITION}:states:::${this.#action}`, Parameters };
  }
}
