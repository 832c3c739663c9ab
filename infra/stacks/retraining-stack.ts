import { CfnOutput, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import type { StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import type { DeploymentConfig, Trainer } from '../config.ts';
import { Concluder } from '../constructs/concluder.ts';
import { FileSeed } from '../constructs/file-seed.ts';
import { GATEKEEPER_TIMEOUT, Gatekeeper, Reconciler } from '../constructs/gatekeeper.ts';
import { Hourly } from '../constructs/hourly.ts';
import { Judge } from '../constructs/judge.ts';
import { Promoter } from '../constructs/promoter.ts';
import { deadLetterQueue, workQueue } from '../constructs/queues.ts';
import { RetrainingAlarms } from '../constructs/retraining-alarms.ts';
import type { RetrainingBuckets } from '../constructs/retraining-places.ts';
import { RetrainingWorkflow, workflowArn, workflowName } from '../constructs/retraining-workflow.ts';
import type { ServingCode } from '../constructs/serving-code.ts';
import { topicForPeople } from '../constructs/topic.ts';
import { trainingImage } from '../constructs/training-image.ts';
import { UploadTrigger } from '../constructs/upload-trigger.ts';
import type { TrainingOptions } from '../training-options.ts';
import { trainingProgram } from '../training-program.ts';

export type RetrainingStackProps = StackProps & {
  readonly config: DeploymentConfig;
  readonly image: ServingCode;
  readonly buckets: RetrainingBuckets;
  /** How each model is trained; at least one. */
  readonly training: ReadonlyMap<string, TrainingOptions>;
  /** Who trains. */
  readonly trainer: Trainer;
};

/** By commands and by workers, which may be stopped while they read. */
const MAX_RECEIVES = 20;

/** The loop from an upload to a better model that serves. */
export class RetrainingStack extends Stack {
  constructor(scope: Construct, id: string, props: RetrainingStackProps) {
    super(scope, id, props);
    const { config, image, buckets, training, trainer } = props;
    const { logRetentionDays } = config;
    const topic = topicForPeople(this, 'serverless-onnx retraining', config);
    const lost = deadLetterQueue(this, 'LostQueue');
    const failures = workQueue(this, 'FailuresQueue', lost, { maxReceives: MAX_RECEIVES });
    const models = [...training.keys()];
    const stateMachines = Object.fromEntries(models.map((model) => [model, workflowArn(this, model)]));
    const reach = { stateMachines, topic: topic.topicArn };

    const shared = { buckets, reach, logRetentionDays, lost };
    const quietSeconds = Math.max(...[...training.values()].map((options) => options.quietSeconds));
    const trigger = new UploadTrigger(this, 'Uploads', {
      datasets: buckets.datasets,
      quietSeconds,
      readerTimeout: GATEKEEPER_TIMEOUT,
    });
    new Gatekeeper(this, 'Gatekeeper', { ...shared, queues: [trigger.files, trigger.manifests] });
    const reconciler = new Reconciler(this, 'Reconciler', shared);
    new Hourly(this, 'Hourly', reconciler.lambda, lost);

    const { hash, files } = trainingProgram();
    const program = new FileSeed(this, 'Program', {
      bucket: buckets.artifacts,
      prefix: 'code/',
      files,
      logRetentionDays,
    });
    const functions = {
      judge: new Judge(this, 'Judge', { config, image, buckets }).lambda,
      promote: new Promoter(this, 'Promoter', { config, buckets }).lambda,
      conclude: new Concluder(this, 'Concluder', shared).lambda,
    };
    const queue =
      trainer === 'callback' ? workQueue(this, 'TrainingQueue', lost, { maxReceives: MAX_RECEIVES }) : undefined;
    const logGroup = new LogGroup(this, 'Runs', {
      // Below this prefix Step Functions needs no line in the account's one policy for logs, which is soon full.
      logGroupName: `/aws/vendedlogs/states/${this.stackName}`,
      retention: logRetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const machines: { [model: string]: StateMachine } = {};
    for (const [model, options] of training) {
      const workflow = new RetrainingWorkflow(this, model, {
        name: workflowName(this, model),
        model,
        options,
        image: trainingImage(this, options),
        buckets,
        codePrefix: `code/${hash}`,
        functions,
        failures,
        trainer: queue,
        logGroup,
      });
      // A run may begin as soon as it is there.
      workflow.node.addDependency(program);
      machines[model] = workflow.stateMachine;
      new CfnOutput(this, `StateMachine-${model}`, {
        description: `The workflow that trains ${model}`,
        value: workflow.stateMachine.stateMachineArn,
      });
    }
    new RetrainingAlarms(this, 'Alarms', { ...trigger, topic, lost, failures, stateMachines: machines });
    new CfnOutput(this, 'RetrainingTopic', {
      description: 'The SNS topic of what became of uploads, and of alarms about it',
      value: topic.topicArn,
    });
    new CfnOutput(this, 'FailedRuns', {
      description: 'The queue of runs that failed, for npm run retrain -- redrive',
      value: failures.queueUrl,
    });
    if (queue !== undefined) {
      new CfnOutput(this, 'TrainingRequests', {
        description: 'The queue of requests that are SageMaker’s otherwise: -c trainer=callback',
        value: queue.queueUrl,
      });
    }
  }
}
