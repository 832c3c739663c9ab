import type { Role } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import { ServiceTask } from './service-task.ts';
import { trained } from './trainer.ts';
import { jobNamePart, type TrainingStateProps, trainingRequest } from './training-request.ts';
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

  constructor(scope: Construct, id: string, props: TrainingStateProps) {
    const { model, image, buckets } = props;
    const role = trainingRole(scope, `${id}Role`, model, image, buckets);
    super(scope, id, {
      ...props,
      ...trained(
        {
          action: 'createTrainingJob',
          request: trainingRequest(props, role.roleArn),
          policies: jobRights(role, 'TrainingJob', `${jobNamePart(model)}-*`),
        },
        props.queue,
      ),
    });
    this.trainingRole = role;
  }
}
