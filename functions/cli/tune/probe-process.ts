// A process of its own for one setting of a model: its memory can be told from others', and its CPU limited.

import { OrtSession } from '../../adapters/onnxruntime.ts';
import { ModelRejected } from '../../inference/ports.ts';
import { tensorFromBytes } from '../../protocol/binary-tensor.ts';
import { InvalidRequest } from '../../protocol/errors.ts';
import type { Tensor } from '../../protocol/tensor.ts';
import type { FromProbe, Refused, SentTensor, ToProbe } from './probe-messages.ts';

/** The first one also starts ONNX Runtime. */
const LOADS = 3;

let session: OrtSession | undefined;
let names: string[] = [];
const inputs = new Map<number, readonly Tensor[]>();

async function answer(message: ToProbe): Promise<FromProbe> {
  switch (message.op) {
    case 'load': {
      let shortest = Number.POSITIVE_INFINITY;
      for (let i = 0; i < LOADS; i++) {
        await session?.release();
        const started = performance.now();
        session = await OrtSession.load(message.path, message.config, 1);
        shortest = Math.min(shortest, performance.now() - started);
      }
      names = (session?.outputs ?? []).map(({ name }) => name);
      return { sessionMs: shortest };
    }
    case 'inputs':
      inputs.set(message.rows, message.tensors.map(received));
      // The first run of a shape is never a short one.
      await session?.run(inputs.get(message.rows) ?? [], names);
      return {};
    case 'run':
      return measured(inputs.get(message.rows) ?? [], message.ms);
  }
}

/** One run after the other, for so many milliseconds. */
async function measured(tensors: readonly Tensor[], ms: number): Promise<FromProbe> {
  const cpu = process.cpuUsage();
  const started = performance.now();
  let runs = 0;
  let elapsed = 0;
  do {
    await session?.run(tensors, names);
    runs++;
    elapsed = performance.now() - started;
  } while (elapsed < ms);
  const { user, system } = process.cpuUsage(cpu);
  return {
    runs,
    runMs: elapsed / runs,
    cpuMs: (user + system) / 1000 / runs,
    peakMb: process.resourceUsage().maxRSS / 1024,
  };
}

function received({ name, datatype, shape, base64 }: SentTensor): Tensor {
  return tensorFromBytes(name, datatype, shape, new Uint8Array(Buffer.from(base64, 'base64')));
}

process.on('message', async (message: ToProbe) => {
  try {
    process.send?.(await answer(message));
  } catch (error) {
    // Anything else is a defect, and ends the process.
    if (!(error instanceof ModelRejected || error instanceof InvalidRequest)) throw error;
    process.send?.({ refused: error.message } satisfies Refused);
  }
});
