// What training on SageMaker takes, as `rightsOf` writes it.

/** Of a state machine's role that starts one kind of jobs, waits for them and stops them. */
export function machineRights(kind: string, jobs: string, rule: string): string[] {
  const inAccount = (service: string) => `arn:<AWS::Partition>:${service}:eu-west-1:111122223333`;
  return [
    ...['DescribeRule', 'PutRule', 'PutTargets'].map((verb) => `events:${verb} on ${inAccount('events')}:rule/${rule}`),
    'iam:PassRole on <TrainRole> if {"StringEquals":{"iam:PassedToService":"sagemaker.amazonaws.com"}}',
    ...['AddTags', `Create${kind}`, `Describe${kind}`, 'ListTags', `Stop${kind}`].map(
      (verb) => `sagemaker:${verb} on ${inAccount('sagemaker')}:${jobs}`,
    ),
  ];
}

/** Of the role of a job that trains `digits` in AWS's container. */
export const TRAINING_RIGHTS = [
  'cloudwatch:PutMetricData on * if {"StringEquals":{"cloudwatch:namespace":"/aws/sagemaker/TrainingJobs"}}',
  'ecr:BatchCheckLayerAvailability on arn:<AWS::Partition>:ecr:eu-west-1:763104351884:repository/pytorch',
  'ecr:BatchGetImage on arn:<AWS::Partition>:ecr:eu-west-1:763104351884:repository/pytorch',
  'ecr:GetAuthorizationToken on *',
  'ecr:GetDownloadUrlForLayer on arn:<AWS::Partition>:ecr:eu-west-1:763104351884:repository/pytorch',
  ...['CreateLogGroup', 'CreateLogStream', 'DescribeLogStreams', 'PutLogEvents'].map(
    (action) =>
      `logs:${action} on arn:<AWS::Partition>:logs:eu-west-1:<AWS::AccountId>:log-group:/aws/sagemaker/TrainingJobs:*`,
  ),
  's3:GetObject on <Artifacts>/checkpoints/digits/*',
  's3:GetObject on <Artifacts>/code/*',
  's3:GetObject on <Artifacts>/snapshots/digits/*',
  's3:ListBucket on <Artifacts> if {"StringLike":{"s3:prefix":["code/*","snapshots/digits/*","checkpoints/digits/*"]}}',
  's3:PutObject on <Artifacts>/checkpoints/digits/*',
  's3:PutObject on <Artifacts>/staging/digits/*',
];
