import type { Role } from 'aws-cdk-lib/aws-iam';
import { JsonPath } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import type { SearchOptions } from '../search-options.ts';
import { ATTEMPT } from './execution.ts';
import { ServiceTask } from './service-task.ts';
import { trained } from './trainer.ts';
import { type TrainingStateProps, tunedTrainingRequest } from './training-request.ts';
import { jobRights } from './training-rights.ts';
import { trainingRole } from './training-role.ts';

/**
 * A SageMaker hyper-parameter search as a state: training jobs over declared ranges, of which the best is taken.
 *
 * The state's input is that of `TrainingJob`. Its output is what DescribeHyperParameterTuningJob answers:
 * `BestTrainingJob.TrainingJobName` has left its model where a plain job of that name would.
 */
export class TuningJob extends ServiceTask {
  readonly trainingRole: Role;

  constructor(
    scope: Construct,
    id: string,
    { search, ...props }: TrainingStateProps & { readonly search: SearchOptions },
  ) {
    const { model, image, buckets } = props;
    const role = trainingRole(scope, `${id}Role`, model, image, buckets);
    super(scope, id, {
      ...props,
      ...trained(
        {
          action: 'createHyperParameterTuningJob',
          request: {
            HyperParameterTuningJobName: JOB_NAME,
            HyperParameterTuningJobConfig: {
              Strategy: 'Bayesian',
              HyperParameterTuningJobObjective: {
                Type: search.maximise ? 'Maximize' : 'Minimize',
                MetricName: search.objective,
              },
              ResourceLimits: {
                MaxNumberOfTrainingJobs: search.jobs,
                MaxParallelTrainingJobs: search.parallelJobs,
              },
              ParameterRanges: parameterRanges(search),
            },
            TrainingJobDefinition: tunedTrainingRequest(props, role.roleArn),
          },
          // Of a name of 32 characters all are needed to be unique: none is left to tell one model's from another's.
          policies: jobRights(role, 'HyperParameterTuningJob', '*'),
        },
        props.queue,
      ),
    });
    this.trainingRole = role;
  }
}

/** 32 characters, as many as are allowed, unique for each execution, each attempt and each retry of the state. */
const JOB_NAME = JsonPath.hash(
  JsonPath.format(
    '{} {} {}',
    JsonPath.stringAt('$$.Execution.Id'),
    JsonPath.stringAt(ATTEMPT),
    JsonPath.stringAt('$$.State.RetryCount'),
  ),
  'MD5',
);

const SCALING = { linear: 'Linear', log: 'Logarithmic' };

/** The API takes texts only. */
function parameterRanges({ ranges }: SearchOptions): object {
  const numbers = Object.entries(ranges).flatMap(([Name, range]) =>
    'values' in range
      ? []
      : [
          {
            integer: range.integer,
            request: { Name, MinValue: `${range.min}`, MaxValue: `${range.max}`, ScalingType: SCALING[range.scale] },
          },
        ],
  );
  return {
    ContinuousParameterRanges: numbers.filter(({ integer }) => !integer).map(({ request }) => request),
    IntegerParameterRanges: numbers.filter(({ integer }) => integer).map(({ request }) => request),
    CategoricalParameterRanges: Object.entries(ranges).flatMap(([Name, range]) =>
      'values' in range ? [{ Name, Values: range.values.map(String) }] : [],
    ),
  };
}
