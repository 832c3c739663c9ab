/** Lambda gives a function one vCPU for each so many MB of memory. */
export const MB_PER_VCPU = 1_769;

/** What a function may have, in MB. */
export const LAMBDA_MEMORY_MB = { min: 128, max: 10_240 } as const;

/** The part of another vCPU from which another thread shortens the runs of large models: sharing them costs a tenth. */
const WORTH_A_THREAD = 0.2;

/** The most threads that help a run: as many as there are vCPUs, and one for a part of another that is worth it. */
export function cpusOf(memoryMb: number): number {
  return Math.max(1, Math.ceil(memoryMb / MB_PER_VCPU - WORTH_A_THREAD));
}
