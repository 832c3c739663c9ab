/** Lambda gives a function one vCPU for each so many MB of memory. */
export const MB_PER_VCPU = 1_769;

/** What a function may have, in MB. */
export const LAMBDA_MEMORY_MB = { min: 128, max: 10_240 } as const;

/** The most threads that help a run: as many as there are whole vCPUs, rounded. */
export function cpusOf(memoryMb: number): number {
  return Math.max(1, Math.round(memoryMb / MB_PER_VCPU));
}
