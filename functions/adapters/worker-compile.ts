import { ModelRejected } from '../inference/ports.ts';
import type { ModelConfig } from '../protocol/model-config.ts';
import { WorkerExited, WorkerProcess } from './worker-process.ts';

const TIMEOUT_MS = 300_000;

/** Compiles in a child process of its own, which a hostile model can't hold up for ever. @throws ModelRejected */
export async function compileInChild(path: string, config: ModelConfig, target: string): Promise<void> {
  const child = new WorkerProcess();
  const timer = setTimeout(() => child.kill(), TIMEOUT_MS);
  try {
    await child.ready;
    const { message } = await child.request({ op: 'compile', path, config, target });
    if (message.answer === 'refused') throw new ModelRejected(message.text);
  } catch (error) {
    if (!(error instanceof WorkerExited)) throw error;
    throw new ModelRejected(`the process that compiled the model ended unexpectedly (${error.message})`);
  } finally {
    clearTimeout(timer);
    child.kill();
    await child.exited;
  }
}
