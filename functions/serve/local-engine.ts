import { availableParallelism } from 'node:os';
import { IsolatedEngine } from '../adapters/isolated-engine.ts';
import { LanedEngine } from '../adapters/laned-engine.ts';
import type { WorkerProcess } from '../adapters/worker-process.ts';
import type { Engine, Log } from '../inference/ports.ts';
import type { LocalSettings } from './local-env.ts';

/** The engine on one machine. */
export function localEngine(settings: LocalSettings, log: Log, child?: WorkerProcess): Engine {
  const share = (whole: number): number => Math.ceil(whole / settings.processes);
  const own = { ...settings, processes: share(availableParallelism()), maxQueue: share(settings.maxQueue) };
  return new LanedEngine(new IsolatedEngine(own, log, child));
}
