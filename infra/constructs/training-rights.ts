import { Stack } from 'aws-cdk-lib';
import { PolicyStatement, type Role } from 'aws-cdk-lib/aws-iam';

type Kind = 'TrainingJob' | 'HyperParameterTuningJob';

const RESOURCES = { TrainingJob: 'training-job', HyperParameterTuningJob: 'hyper-parameter-tuning-job' };
/** The rule by which Step Functions hears of a job's end: it makes one for the account. */
const RULES = {
  TrainingJob: 'StepFunctionsGetEventsForSageMakerTrainingJobsRule',
  HyperParameterTuningJob: 'StepFunctionsGetEventsForSageMakerHyperParameterTuningJobsRule',
};

const TAGS = ['sagemaker:AddTags', 'sagemaker:ListTags'];

/**
 * What a state machine's role needs to start a job in `role`, wait for it and stop it.
 * https://docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html
 * @param names of the jobs, with `*` for what an execution puts in
 */
export function jobRights(role: Role, kind: Kind, names: string): PolicyStatement[] {
  const stack = Stack.of(role);
  const job = stack.formatArn({ service: 'sagemaker', resource: RESOURCES[kind], resourceName: names });
  const rule = stack.formatArn({ service: 'events', resource: 'rule', resourceName: RULES[kind] });
  return [
    new PolicyStatement({
      // Step Functions marks what it has started by a tag.
      actions: [...['Create', 'Describe', 'Stop'].map((verb) => `sagemaker:${verb}${kind}`), ...TAGS],
      resources: [job],
    }),
    new PolicyStatement({
      actions: ['iam:PassRole'],
      resources: [role.roleArn],
      conditions: { StringEquals: { 'iam:PassedToService': 'sagemaker.amazonaws.com' } },
    }),
    new PolicyStatement({ actions: ['events:PutTargets', 'events:PutRule', 'events:DescribeRule'], resources: [rule] }),
  ];
}
