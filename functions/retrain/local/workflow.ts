import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Conclude, Ended } from '../conclude.ts';
import { endedOf } from '../conclusion.ts';
import type { StoredDecision } from '../decisions.ts';
import { toldOf } from '../decisions.ts';
import type { Trained } from '../judge.ts';
import type { Promoter } from '../promote.ts';
import type { ConcludedRun, TrainedRun } from '../workflow.ts';
import { type Execution, type Executions, NotStopped } from './executions.ts';
import type { Show } from './progress.ts';
import { type Job, type TrainingProgram, train } from './training-program.ts';
import type { TrainingSettings } from './training-settings.ts';

export type WorkflowParts = {
  readonly executions: Executions;
  readonly judge: (run: Trained) => Promise<StoredDecision>;
  readonly promoter: Promoter;
  readonly conclude: Conclude;
  readonly program: TrainingProgram;
  /** What a version's lineage says in place of a container image. */
  readonly image: () => Promise<string>;
  readonly settings: (model: string) => Promise<TrainingSettings>;
  /** The folder below which each job has its own. */
  readonly staging: string;
  readonly show: Show;
  /** Whether what the training program prints is shown line by line; else it has the terminal. */
  readonly byLine: boolean;
};

/** How soon a run ends that somebody has stopped in another terminal. */
const POLL_MS = 500;

const ENDED = 'npm run retrain -- watch was ended while it trained';

class Stopped extends Error {}

/** The state machine on one machine: train, judge, promote or not, conclude; with what AWS runs in its functions. */
export class Workflow {
  readonly #parts: WorkflowParts;

  constructor(parts: WorkflowParts) {
    this.#parts = parts;
  }

  /**
   * Runs an execution to its end. One that was begun before goes on at its step.
   * @param signal stops it, unless its model is being promoted: that ends in a moment
   */
  async run(execution: Execution, signal: AbortSignal): Promise<void> {
    const { executions, show, conclude } = this.#parts;
    const { model, name, step } = execution;
    show({ event: 'started', model, execution: name, step });
    let ended: Ended;
    try {
      ended = endedOf(await this.#steps(execution, signal));
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
      const { reason = ENDED } = (await executions.execution(model, name)) ?? {};
      ended = { model, id: execution.id, execution: name, state: 'stopped', reason: { code: 'stopped', text: reason } };
      await rm(join(this.#parts.staging, model, name), { recursive: true, force: true });
    }
    await conclude.end(ended);
    await executions.end(execution, ended.state === 'failed' ? 'failed' : 'succeeded');
  }

  /** @throws Stopped */
  async #steps(execution: Execution, signal: AbortSignal): Promise<ConcludedRun> {
    const { executions, judge, promoter, program, image, show } = this.#parts;
    const { model, id, snapshot, name } = execution;
    const run = { model, id, snapshot, execution: name };
    try {
      if (execution.step === 'train') await this.#train(execution, signal);
      await this.#goOn(execution, execution.step === 'promote' ? 'promote' : 'judge', signal);
      const trained: TrainedRun = { ...run, job: name, image: await image(), code: program.file };
      const found = await judge(trained);
      show({ event: 'judged', model, decision: found });
      const judged = { ...run, job: name, decision: toldOf(found) };
      if (found.outcome !== 'promote') return judged;
      await this.#goOn(execution, 'promote', signal);
      return { ...judged, promotion: await promoter.promote(trained) };
    } catch (error) {
      if (error instanceof Stopped) throw error;
      if (signal.aborted && (await this.#isStopped(execution))) throw new Stopped();
      if ((await executions.state(model, name)) === 'stopped') throw new Stopped();
      const { name: kind, message } = error as Error;
      return { ...run, failure: { Error: kind, Cause: message } };
    }
  }

  /** Ends the program as soon as the run is to end, whoever wants it. */
  async #train(execution: Execution, signal: AbortSignal): Promise<void> {
    const { executions, program, settings, staging, show, byLine } = this.#parts;
    const { model, snapshot, name } = execution;
    const elsewhere = new AbortController();
    const over = new AbortController();
    const poll = async (): Promise<void> => {
      while (!over.signal.aborted) {
        if ((await executions.state(model, name)) !== 'running') elsewhere.abort();
        await sleep(POLL_MS, undefined, { signal: over.signal }).catch(() => {});
      }
    };
    const polling = poll();
    try {
      const job: Job = { model, snapshot, folder: join(staging, model, name), settings: await settings(model) };
      const onLine = byLine ? (line: string) => show({ event: 'training', model, line }) : undefined;
      await train(program, job, AbortSignal.any([signal, elsewhere.signal]), onLine);
    } finally {
      over.abort();
      await polling;
    }
  }

  /** @throws Stopped */
  async #goOn(execution: Execution, step: 'judge' | 'promote', signal: AbortSignal): Promise<void> {
    if (signal.aborted && (await this.#isStopped(execution))) throw new Stopped();
    if (!(await this.#parts.executions.advance(execution, step))) throw new Stopped();
  }

  /** Stops it. @returns false where it is being promoted */
  async #isStopped({ model, name }: Execution): Promise<boolean> {
    try {
      await this.#parts.executions.stop(model, name, ENDED);
      return true;
    } catch (error) {
      if (error instanceof NotStopped) return false;
      throw error;
    }
  }
}
