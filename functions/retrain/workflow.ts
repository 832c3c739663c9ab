// What the state machine (infra/constructs/retraining-workflow.ts) hands to its functions, and what it looks at in their answers.

/** An execution is given this; `snapshot` is `s3://bucket/snapshots/<model>/<id>/`. */
export type Run = {
  readonly model: string;
  /** Of the upload: its ledger entry and its snapshot. */
  readonly id: string;
  readonly snapshot: string;
};

/** To judge and to promote. */
export type TrainedRun = Run & {
  /** The name of the execution. */
  readonly execution: string;
  /** The name of the training job, which has left its model below `staging/<model>/<job>/output/model/`. */
  readonly job: string;
  /** The image that it ran in. */
  readonly image: string;
  /** The prefix of the program that it ran: `code/<hash>`. */
  readonly code: string;
};

/** What the judge answers: all that it has found, of which the state machine reads this. */
export type Judged = { readonly outcome: 'promote' | 'reject' };

/** To conclude: how the execution goes, by what is there. */
export type ConcludedRun = Run & { readonly execution: string } & (
    | { readonly job: string; readonly decision: object; readonly promotion: object }
    | { readonly job: string; readonly decision: object }
    | { readonly failure: Failure }
  );

/** As Step Functions writes an error that was caught. */
export type Failure = { readonly Error: string; readonly Cause?: string };

/** EventBridge's event of an execution that ended without concluding. */
export type ExecutionEnded = {
  readonly 'detail-type': 'Step Functions Execution Status Change';
  readonly detail: {
    readonly stateMachineArn: string;
    /** Of the execution. */
    readonly name: string;
    readonly status: 'FAILED' | 'TIMED_OUT' | 'ABORTED';
    /** `Run`, as JSON. */
    readonly input: string;
    readonly error?: string | null;
    readonly cause?: string | null;
  };
};
