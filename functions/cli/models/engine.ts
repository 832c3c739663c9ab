import { IsolatedEngine } from '../../adapters/isolated-engine.ts';
import { ModelLoader } from '../../inference/model-loader.ts';
import type { Log } from '../../inference/ports.ts';

const SILENT: Log = { info() {}, warn() {}, error() {} };
const LOAD_TIMEOUT_MS = 120_000;
/** As the server has it without a setting. */
const DEFAULT_MAX_BATCH_SIZE = 4;

/** Loads models as the server would, in a child process that a hostile one can't hold up for ever. */
export async function withLoader<T>(work: (loader: ModelLoader) => Promise<T>): Promise<T> {
  const engine = new IsolatedEngine({ processes: 1, maxQueue: 1, loadTimeoutMs: LOAD_TIMEOUT_MS }, SILENT);
  try {
    return await work(
      new ModelLoader(engine, SILENT, { defaultMaxBatchSize: DEFAULT_MAX_BATCH_SIZE, maxBatcherQueue: 0 }),
    );
  } finally {
    await engine.close();
  }
}
