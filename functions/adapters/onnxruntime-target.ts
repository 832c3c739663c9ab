import { readFileSync } from 'node:fs';
import packageJson from 'onnxruntime-node/package.json' with { type: 'json' };
import type { RuntimeTarget } from '../inference/ports.ts';

let found: RuntimeTarget | undefined;

/** What a compiled file has to be made for, to be loaded in this process and its children. */
export function runtimeTarget(): RuntimeTarget {
  found ??= { runtime: packageJson.version, architecture: process.arch, simd: simdClass() };
  return found;
}

/**
 * ONNX Runtime lays out the weights of convolutions in blocks of 16 where there is AVX-512 or NEON, and of 8 elsewhere
 * on x86: with blocks of the other size a model computes nonsense.
 * https://github.com/microsoft/onnxruntime/blob/main/onnxruntime/core/mlas/lib/platform.cpp
 */
function simdClass(): string | undefined {
  if (process.platform !== 'linux') return undefined;
  if (process.arch === 'arm64') return 'neon';
  if (process.arch !== 'x64') return undefined;
  return /^flags\s*:.*\bavx512f\b/m.test(readFileSync('/proc/cpuinfo', 'utf8')) ? 'avx512f' : 'avx';
}
