/**
 * For the environment of every process with ONNX Runtime. Without it glibc raises the size from which it takes memory from
 * the system and gives it back with every large block that is freed, and what a model needed while it was loaded stays
 * with the process: three times the weights, and half of that when the model is long unloaded.
 * https://www.gnu.org/software/libc/manual/html_node/Memory-Allocation-Tunables.html
 */
export const ALLOCATION: { readonly [variable: string]: string } = { MALLOC_MMAP_THRESHOLD_: '262144' };

/**
 * Bytes of memory that a session takes, of a model with files of so many bytes. Measured from 1 kB to 16 MB: 0.15 MB and
 * once the weights, to which comes what a run needs.
 */
export function sessionMemory(bytes: number): number {
  return Math.ceil(bytes * 1.2) + 512 * 1024;
}
