import type { CloudFormationCustomResourceEvent, CloudFormationCustomResourceResponse } from 'aws-lambda';

export type CustomResourceEvent = CloudFormationCustomResourceEvent;

/** What CloudFormation takes of a reason, in characters; a response may have 4096 bytes. */
const MAX_REASON = 2_000;

/**
 * Does what a custom resource stands for and tells CloudFormation how it went. A stack waits for an hour for a resource
 * that does not answer, so every error becomes an answer.
 */
export async function answerCloudFormation(event: CustomResourceEvent, act: () => Promise<void>): Promise<void> {
  const common = {
    StackId: event.StackId,
    RequestId: event.RequestId,
    LogicalResourceId: event.LogicalResourceId,
    PhysicalResourceId: event.RequestType === 'Create' ? event.LogicalResourceId : event.PhysicalResourceId,
  };
  const response = await act().then(
    (): CloudFormationCustomResourceResponse => ({ ...common, Status: 'SUCCESS' }),
    (error: Error): CloudFormationCustomResourceResponse => {
      console.error(error);
      return { ...common, Status: 'FAILED', Reason: error.message.slice(0, MAX_REASON) };
    },
  );
  // The address is signed for a request without a content type.
  const answer = await fetch(event.ResponseURL, {
    method: 'PUT',
    headers: { 'Content-Type': '' },
    body: JSON.stringify(response),
  });
  if (!answer.ok) throw new Error(`CloudFormation did not take the answer: ${answer.status}`);
}
