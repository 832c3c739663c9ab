// List prices of us-east-1 in USD, beyond any free tier, as written down in November 2026 (docs/deployment.md, Cost).

import { MB_PER_VCPU } from './lambda-cpu.ts';

export const USD_PER_API_REQUEST = 3.5e-6;
export const USD_PER_INVOCATION = 0.2e-6;
export const USD_PER_GB_SECOND = { x86_64: 1.66667e-5, arm64: 1.33334e-5 } as const;

export type Architecture = keyof typeof USD_PER_GB_SECOND;

/** What a request takes beside the model, in milliseconds of a whole vCPU: an estimate. */
const OVERHEAD_MS = 2;

/** What a request takes whose model runs so many milliseconds, with what is beside the model. */
export function requestMs(modelMs: number, memoryMb: number): number {
  return modelMs + OVERHEAD_MS / Math.min(1, memoryMb / MB_PER_VCPU);
}

/**
 * USD for a million requests of a REST API whose model runs so many milliseconds in a Lambda function.
 * @param memoryMb of the function
 */
export function usdPerMillion(modelMs: number, memoryMb: number, architecture: Architecture): number {
  const computing = (requestMs(modelMs, memoryMb) / 1000) * (memoryMb / 1024) * USD_PER_GB_SECOND[architecture];
  return 1e6 * (USD_PER_API_REQUEST + USD_PER_INVOCATION + computing);
}
