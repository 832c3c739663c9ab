import { cpusOf, MB_PER_VCPU } from '../../adapters/lambda-cpu.ts';
import { StepProgress } from '../../adapters/progress.ts';
import type { ModelConfig } from '../../protocol/model-config.ts';
import type { Tensor } from '../../protocol/tensor.ts';
import { withCleanUp } from '../clean-up.ts';
import { CpuQuota } from './cpu-quota.ts';
import { Probe, type Setting } from './probe.ts';
import type { Measured } from './probe-messages.ts';

/** One thing that is measured: a setting with so many rows, on so much of a CPU. */
export type Cell = Setting & {
  readonly rows: number;
  /** Of the function; undefined: with all of this machine's CPUs. */
  readonly memoryMb: number | undefined;
};

export type Result = Cell & {
  /** Of the round that was disturbed least: means of its runs. */
  readonly runMs: number;
  readonly cpuMs: number;
  /** 'computed': from the CPU time of a run without a limit. */
  readonly how: 'measured' | 'computed';
};

export type Loading = Setting & { readonly sessionMs: number; readonly peakMb: number };

export type Measurements = { readonly results: readonly Result[]; readonly loadings: readonly Loading[] };

export type Plan = {
  readonly memories: readonly number[];
  /** 1 first. */
  readonly rows: readonly number[];
  /** Of this machine. */
  readonly cores: number;
  /** In all. */
  readonly seconds: number;
};

/** Turns: what slows the machine down for a while slows all down. */
const ROUNDS = 5;
/** Of a cell in a round: five periods of a CPU quota. */
const MIN_MS = 100;
const WARM_UP_MS = 25;

/** What is to be measured. */
export function cellsOf({ memories, rows, cores }: Plan): Cell[] {
  const most = Math.min(cores, Math.max(2, ...memories.map(cpusOf)));
  const threads = Array.from({ length: most }, (_, i) => i + 1);
  const bySize = memories.flatMap((memoryMb) =>
    threads
      // One more than there are CPUs, to see whether it helps.
      .filter((count) => count <= Math.max(2, Math.ceil(memoryMb / MB_PER_VCPU)))
      .map((count) => ({ threads: count, prepacking: true, rows: 1, memoryMb })),
  );
  const plain = { threads: 1, memoryMb: undefined };
  return [
    ...bySize,
    { ...plain, prepacking: false, rows: 1 },
    ...rows.map((count) => ({ ...plain, prepacking: true, rows: count })),
  ];
}

/**
 * Measures each cell in turns, round by round, in the runtime that serves.
 * @param inputs of so many rows
 * @throws ModelRejected
 */
export async function measure(
  path: string,
  config: ModelConfig,
  plan: Plan,
  inputs: (rows: number) => readonly Tensor[],
): Promise<Measurements & { readonly isLimited: boolean }> {
  const cells = cellsOf(plan);
  const quota = await CpuQuota.open();
  const probes: Probe[] = [];
  const progress = new StepProgress('measuring', cells.length * ROUNDS);
  const cleanUp = async (): Promise<void> => {
    progress.stop();
    await Promise.all(probes.map((probe) => probe.end()));
    await quota?.remove();
  };
  return withCleanUp(cleanUp, async () => {
    const sessions: number[] = [];
    for (const setting of settingsOf(cells)) {
      const probe = new Probe(setting);
      probes.push(probe);
      sessions.push((await probe.load(path, config)).sessionMs);
      const needed = new Set(cells.filter((cell) => isSame(cell, setting)).map(({ rows }) => rows));
      for (const rows of needed) await probe.give(rows, inputs(rows));
      await quota?.hold(probe.pid);
    }
    const ms = Math.max(MIN_MS, (1000 * plan.seconds) / (cells.length * ROUNDS));
    const found = cells.map((): Measured[] => []);
    for (let round = 0; round < ROUNDS; round++) {
      for (let i = 0; i < cells.length; i++) {
        const at = (i + round) % cells.length;
        const cell = cells[at] as Cell;
        await quota?.set(cell.memoryMb && limitOf(cell.memoryMb, plan.cores));
        const probe = probes.find(({ setting }) => isSame(cell, setting)) as Probe;
        // What a pause has left of the quota is used up first.
        await probe.run(cell.rows, WARM_UP_MS);
        found[at]?.push(await probe.run(cell.rows, ms));
        progress.step();
      }
    }
    const results = cells.map((cell, i) => resultOf(cell, found[i] ?? [], quota !== undefined, plan.cores));
    const peaks = cells.map((cell, i) => ({ cell, mb: Math.max(...(found[i] ?? []).map(({ peakMb }) => peakMb)) }));
    const loadings = probes.map(({ setting }, i) => ({
      ...setting,
      sessionMs: sessions[i] ?? 0,
      peakMb: Math.max(...peaks.filter(({ cell }) => isSame(cell, setting)).map(({ mb }) => mb)),
    }));
    return { results, loadings, isLimited: quota !== undefined };
  });
}

/** Where a size has all CPUs of this machine there is nothing to limit. */
function limitOf(memoryMb: number, cores: number): number | undefined {
  const cpus = memoryMb / MB_PER_VCPU;
  return cpus >= cores ? undefined : cpus;
}

/** Where nothing is limited: a run can't be faster than its CPU time on as much of a CPU as the function has. */
export function resultOf(cell: Cell, found: readonly Measured[], isLimited: boolean, cores: number): Result {
  const runMs = Math.min(...found.map((measured) => measured.runMs));
  const cpuMs = Math.min(...found.map((measured) => measured.cpuMs));
  const limit = cell.memoryMb && limitOf(cell.memoryMb, cores);
  if (limit === undefined || isLimited) return { ...cell, runMs, cpuMs, how: 'measured' };
  return { ...cell, runMs: Math.max(runMs, cpuMs / limit), cpuMs, how: 'computed' };
}

function settingsOf(cells: readonly Cell[]): Setting[] {
  const known: Setting[] = [];
  for (const { threads, prepacking } of cells) {
    if (!known.some((setting) => isSame({ threads, prepacking }, setting))) known.push({ threads, prepacking });
  }
  return known;
}

function isSame(a: Setting, b: Setting): boolean {
  return a.threads === b.threads && a.prepacking === b.prepacking;
}
