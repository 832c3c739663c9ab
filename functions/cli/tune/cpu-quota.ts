import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** As Lambda's: a part of a CPU is so much of each 20 ms. */
const PERIOD_US = 20_000;
const ROOT = '/sys/fs/cgroup';

/** Limits the CPU of processes, by a control group of Linux. */
export class CpuQuota {
  readonly #folder: string;
  readonly #isUnified: boolean;

  private constructor(folder: string, isUnified: boolean) {
    this.#folder = folder;
    this.#isUnified = isUnified;
  }

  /** Undefined where this system does not let this user limit processes. */
  static async open(): Promise<CpuQuota | undefined> {
    const groups = await readFile('/proc/self/cgroup', 'utf8').catch(() => '');
    const name = `serverless-onnx-${randomUUID()}`;
    const [, legacy] = /^\d+:(?:[^:]*,)?cpu(?:,[^:]*)?:(.*)$/m.exec(groups) ?? [];
    const [, unified] = /^0::(.*)$/m.exec(groups) ?? [];
    const places = [
      ...(legacy === undefined ? [] : [{ folder: join(ROOT, 'cpu', legacy, name), isUnified: false }]),
      ...(unified === undefined ? [] : [{ folder: join(ROOT, unified, name), isUnified: true }]),
    ];
    for (const { folder, isUnified } of places) {
      const quota = new CpuQuota(folder, isUnified);
      try {
        await mkdir(folder);
      } catch {
        continue;
      }
      try {
        await quota.set(1);
        return quota;
      } catch {
        await rmdir(folder).catch(() => {});
      }
    }
    return undefined;
  }

  async hold(pid: number): Promise<void> {
    await writeFile(join(this.#folder, 'cgroup.procs'), `${pid}`);
  }

  /** @param cpus that all held processes have together; undefined: as many as there are */
  async set(cpus: number | undefined): Promise<void> {
    const us = cpus === undefined ? undefined : Math.round(cpus * PERIOD_US);
    if (this.#isUnified) {
      // Without the controller there is no such file, and none can be made.
      await writeFile(join(this.#folder, 'cpu.max'), `${us ?? 'max'} ${PERIOD_US}`, { flag: 'r+' });
      return;
    }
    await writeFile(join(this.#folder, 'cpu.cfs_period_us'), `${PERIOD_US}`, { flag: 'r+' });
    await writeFile(join(this.#folder, 'cpu.cfs_quota_us'), `${us ?? -1}`, { flag: 'r+' });
  }

  /** When the processes have ended. */
  async remove(): Promise<void> {
    for (let tries = 0; tries < 50; tries++) {
      try {
        await rmdir(this.#folder);
        return;
      } catch {
        // The kernel lets go of ended processes a moment later.
        await sleep(20);
      }
    }
  }
}
