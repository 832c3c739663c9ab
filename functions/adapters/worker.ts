// A child process that holds models in ONNX Runtime: `session.run()` blocks its thread, a hostile model can block it for
// ever, and only SIGKILL ends that. It reads requests from file descriptor 3, answers there, and ends with its parent.

import { flushCompileCache } from 'node:module';
import { Socket } from 'node:net';
import { constants, getPriority, setPriority } from 'node:os';
import { ModelRejected } from '../inference/ports.ts';
import { tensorToBytes } from '../protocol/binary-tensor.ts';
import { InvalidRequest } from '../protocol/errors.ts';
import type { ModelConfig } from '../protocol/model-config.ts';
import type { Tensor } from '../protocol/tensor.ts';
import { type Frame, FrameReader, writeFrame } from './frames.ts';
import { isStaticGraph } from './onnx-graph.ts';
import { OrtSession } from './onnxruntime.ts';
import type { FromWorker, ToWorker } from './worker-messages.ts';

/** Outputs above this are refused, not sent: a few bytes of input can ask some models for gigabytes. */
const MAX_OUTPUT_BYTES = 1024 ** 3;

/** Of the channel, at once. */
const READ_BYTES = 256 * 1024;

/** Beside the server's: where models keep every core busy, it still answers at once that it lives. */
const NICENESS = 5;

/** Processes make the parallelism. */
const THREADS = 1;

/**
 * Where the model's configuration does not say: without the plan that ONNX Runtime makes of a run's memory. It is one block
 * beside those of the first run, which stay (8 MB of a resnet50, in each process), and makes a run faster by 2 µs.
 */
const DEFAULTS: ModelConfig['parameters'] = { enable_mem_pattern: { string_value: '0' } };

const sessions = new Map<string, OrtSession>();
const channel = new Socket({
  fd: 3,
  readable: true,
  writable: true,
  // All that comes goes through this memory. Otherwise each piece has its own, until V8 collects tens of megabytes of them.
  onread: { buffer: new Uint8Array(READ_BYTES), callback: read },
});

const now = (): number => performance.timeOrigin + performance.now();

async function answer({ message, tensors }: Frame<ToWorker>): Promise<{ message: FromWorker; tensors?: Tensor[] }> {
  switch (message.op) {
    case 'load': {
      const config = { ...message.config, parameters: { ...DEFAULTS, ...message.config.parameters } };
      const session = await OrtSession.load(message.path, config, THREADS);
      sessions.set(message.key, session);
      const { inputs, outputs } = session;
      const isStatic = message.path.endsWith('.onnx') && (await isStaticGraph(message.path));
      return { message: { answer: 'loaded', signature: { inputs, outputs, isStatic } } };
    }
    case 'compile':
      await OrtSession.compile(message.path, message.config, message.target);
      return { message: { answer: 'compiled' } };
    case 'run': {
      const startedAt = now();
      const outputs = (await sessions.get(message.key)?.run(tensors, message.outputNames)) ?? [];
      const endedAt = now();
      frames.reuse(tensors);
      const bytes = outputs.reduce((total, tensor) => total + tensorToBytes(tensor).length, 0);
      if (bytes > MAX_OUTPUT_BYTES) {
        throw new InvalidRequest(`the outputs take ${bytes} bytes; expected at most ${MAX_OUTPUT_BYTES}`);
      }
      return { message: { answer: 'computed', startedAt, endedAt }, tensors: outputs };
    }
    case 'unload':
      await sessions.get(message.key)?.release();
      sessions.delete(message.key);
      return { message: { answer: 'unloaded' } };
  }
}

// One after the other, in the order they came: that is how the server matches answers to requests.
let turn: Promise<void> = Promise.resolve();
const frames = new FrameReader<ToWorker>((frame) => {
  turn = turn.then(async () => {
    try {
      const reply = await answer(frame);
      writeFrame(channel, reply.message, reply.tensors);
    } catch (error) {
      // Anything else is a defect: the process ends, and the server says so.
      if (!(error instanceof ModelRejected || error instanceof InvalidRequest)) throw error;
      writeFrame(channel, { answer: 'refused', text: error.message } satisfies FromWorker);
    }
  });
});

function read(bytes: number, piece: Uint8Array): boolean {
  frames.push(piece.subarray(0, bytes));
  // More comes together until the next turn: read at once, each bit that is there would wake both processes, which takes twice
  // as long for 600 kB.
  setImmediate(() => channel.resume());
  return false;
}

setPriority(Math.min(constants.priority.PRIORITY_LOW, getPriority() + NICENESS));
// Ctrl-C in a terminal reaches every process of the group; the server decides when its children end.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
channel.on('end', () => process.exit());
channel.on('error', () => process.exit());
channel.resume();
writeFrame(channel, { answer: 'ready' } satisfies FromWorker);
// Its end is a SIGKILL, which leaves no time for that.
setImmediate(flushCompileCache);
