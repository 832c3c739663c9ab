import { Duration } from 'aws-cdk-lib';
import { JitterType, type RetryProps } from 'aws-cdk-lib/aws-stepfunctions';

// How the states of the workflow try again. The waits are the longest: with jitter each is drawn between 0 and it.

/** SageMaker did not take the request, for a reason of its own or as too many came: 30, 60, 120, 240, 480 s, 15.5 minutes in all. */
export const SAGEMAKER_SERVICE: RetryProps = {
  errors: ['SageMaker.AmazonSageMakerException'],
  interval: Duration.seconds(30),
  backoffRate: 2,
  maxAttempts: 5,
  jitterStrategy: JitterType.FULL,
};

/** Lambda did not run the function: 2, 4, 8, 16, 32, 64 s, 2.1 minutes in all. */
export const LAMBDA_SERVICE: RetryProps = {
  errors: [
    'Lambda.ClientExecutionTimeoutException',
    'Lambda.ServiceException',
    'Lambda.AWSLambdaException',
    'Lambda.SdkClientException',
    'Lambda.TooManyRequestsException',
  ],
  interval: Duration.seconds(2),
  backoffRate: 2,
  maxAttempts: 6,
  jitterStrategy: JitterType.FULL,
};

/** The function itself failed. All of them may be run twice; S3 or memory may be better later: 15, 60, 240 s, 5.3 minutes in all. */
export const FUNCTION_FAILED: RetryProps = {
  errors: ['States.TaskFailed', 'States.Timeout'],
  interval: Duration.seconds(15),
  backoffRate: 4,
  maxAttempts: 3,
  jitterStrategy: JitterType.FULL,
};

/** A queue did not take a message, which is lost if none ever does: 5, 15, 45, 135, 405 s, 10 minutes in all. */
export const MESSAGE_REFUSED: RetryProps = {
  errors: ['States.TaskFailed'],
  interval: Duration.seconds(5),
  backoffRate: 3,
  maxAttempts: 5,
  jitterStrategy: JitterType.FULL,
};

/**
 * There was no capacity for the instances: a new job after 5, 10, 20, 40 and 80 minutes, 155 minutes in all. Not a retry of
 * the state, which would take errors of the training program for those: a Choice looks at the cause.
 */
export const CAPACITY = { attempts: 5, firstWaitSeconds: 300 };
