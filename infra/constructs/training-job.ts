import type { Role } from 'aws-cdk-lib/aws-iam';
import type { TaskStateBaseProps } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { ServiceTask } from './service-task.ts';
import { jobNamePart, type TrainingRequestProps, trainingRequest } from './training-request.ts';
import { jobRights } from './training-rights.ts';
import { trainingRole } from './training-role.ts';

/**
 * A SageMaker training job as a state of a Step Functions state machine, which waits for its end.
 *
 * The state's input holds `snapshot`, the S3 URI of the folder to train on (an immutable copy that the gatekeeper has
 * made), and `capacity.attempt`. Its output is what DescribeTrainingJob answers, `TrainingJobName` among it.
 */
export class TrainingJob extends ServiceTask {
  readonly trainingRole: Role;

  constructor(scope: Construct, id: string, props: TrainingRequestProps & TaskStateBaseProps) {
    const { model, image, buckets } = props;
    const role = trainingRole(scope, `${id}Role`, model, image, buckets);
    super(scope, id, {
      ...props,
      action: 'sagemaker:createTrainingJob.sync',
      request: trainingRequest(props, role.roleArn),
      policies: jobRights(role, 'TrainingJob', `${jobNamePart(model)}-*`),
    });
    this.trainingRole = role;
  }
}
