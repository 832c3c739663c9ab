import { Aws } from 'aws-cdk-lib';
import type { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { QueryLanguage, TaskStateBase, type TaskStateBaseProps } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';

export type ServiceTaskProps = TaskStateBaseProps & {
  /** A function's ARN, or that of an `integration`. */
  readonly resource: string;
  /** The request, with JSON paths by `JsonPath`. */
  readonly request: object;
  /** What the state machine's role needs for it, and nothing else. */
  readonly policies: readonly PolicyStatement[];
};

/** A task state whose request and rights are written down as they are. */
export class ServiceTask extends TaskStateBase {
  /** ARNs with a `*` that the state machine's role gets rights on. */
  readonly patterns: readonly string[];
  readonly #resource: string;
  readonly #request: object;
  protected override readonly taskPolicies: PolicyStatement[];
  protected override readonly taskMetrics = undefined;

  constructor(scope: Construct, id: string, { resource, request, policies, ...props }: ServiceTaskProps) {
    super(scope, id, props);
    this.#resource = resource;
    this.#request = request;
    this.taskPolicies = [...policies];
    this.patterns = policies.flatMap(({ resources }) => resources).filter((arn) => arn.endsWith('*'));
  }

  protected override _renderTask(): object {
    const { Parameters } = this._renderParametersOrArguments(this.#request, QueryLanguage.JSON_PATH);
    return { Resource: this.#resource, Parameters };
  }
}

/** @param action of a service that Step Functions calls by itself: `sagemaker:createTrainingJob.sync` */
export function integration(action: string): string {
  return `arn:${Aws.PARTITION}:states:::${action}`;
}
