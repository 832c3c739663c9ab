const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Does some work, and cleans up behind it: also where a signal ends this process meanwhile.
 * @param work gets a signal that says when to stop child processes
 */
export async function withCleanUp<T>(
  cleanUp: () => Promise<unknown>,
  work: (stopped: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  const onSignal = (signal: NodeJS.Signals): void => {
    stop.abort();
    // Nobody listens the second time: then it does what it always does.
    void cleanUp().finally(() => process.kill(process.pid, signal));
  };
  for (const signal of SIGNALS) process.once(signal, onSignal);
  try {
    return await work(stop.signal);
  } finally {
    // What a signal has begun goes on to the end of the process.
    if (stop.signal.aborted) await new Promise(() => {});
    for (const signal of SIGNALS) process.off(signal, onSignal);
    await cleanUp();
  }
}
