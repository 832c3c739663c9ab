// What an execution of the retraining workflow knows about itself: JSON paths into its state and its context.

/** 40 characters that no other execution of the account has. */
export const EXECUTION_HASH = "States.Hash($$.Execution.Id, 'SHA-1')";
/** How often training was begun again for want of capacity, from 0. */
export const ATTEMPT = '$.capacity.attempt';
