import { type ChildProcess, spawn } from 'node:child_process';
import { getCompileCacheDir } from 'node:module';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Tensor } from '../protocol/tensor.ts';
import { type Frame, FrameReader, writeFrame } from './frames.ts';
import { ALLOCATION } from './session-memory.ts';
import type { FromWorker, ToWorker } from './worker-messages.ts';

const SCRIPT = fileURLToPath(new URL('./worker.ts', import.meta.url));

/** All that a child process learns of the server's environment: no token, no credentials. */
const PASSED_ON = ['PATH', 'LD_LIBRARY_PATH', 'DYLD_LIBRARY_PATH', 'SystemRoot', 'TEMP', 'TMPDIR'];

/** The child process ended before it answered. */
export class WorkerExited extends Error {}

type Waiting = { resolve: (frame: Frame<FromWorker>) => void; reject: (error: Error) => void };

/** One child process with ONNX Runtime, seen from the server. It answers requests in the order they came. */
export class WorkerProcess {
  readonly #child: ChildProcess;
  readonly #channel: Socket;
  readonly #waiting: Waiting[] = [];
  #exit: WorkerExited | undefined;
  /** Resolves when the process can take requests; rejects with WorkerExited when it ended instead. */
  readonly ready: Promise<unknown>;
  /** Resolves when the process has ended. */
  readonly exited: Promise<void>;

  constructor() {
    const passedOn = PASSED_ON.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : []));
    const cache = getCompileCacheDir();
    const compileCache = cache === undefined ? {} : { NODE_COMPILE_CACHE: dirname(cache) };
    const env = { ...Object.fromEntries(passedOn), ...ALLOCATION, ...compileCache };
    this.#child = spawn(process.execPath, [SCRIPT], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'], env });
    this.#channel = this.#child.stdio[3] as Socket;
    const frames = new FrameReader<FromWorker>((frame) => this.#waiting.shift()?.resolve(frame));
    this.#channel.on('data', (chunk: Buffer) => frames.push(chunk));
    // A process that is killed while it is written to: its exit says all there is to say.
    this.#channel.on('error', () => {});
    this.ready = this.#nextFrame();
    this.exited = new Promise((resolve) => {
      const onEnd = (how: string): void => {
        this.#exit ??= new WorkerExited(how);
        for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#exit);
        resolve();
      };
      this.#child.on('exit', (code, signal) => onEnd(signal === null ? `exit code ${code}` : `signal ${signal}`));
      this.#child.on('error', (error) => onEnd(error.message));
    });
  }

  get hasExited(): boolean {
    return this.#exit !== undefined;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** @throws WorkerExited when the process ends before it answers */
  request(message: ToWorker, tensors: readonly Tensor[] = []): Promise<Frame<FromWorker>> {
    const answer = this.#nextFrame();
    if (this.#exit === undefined) writeFrame(this.#channel, message, tensors);
    return answer;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #nextFrame(): Promise<Frame<FromWorker>> {
    if (this.#exit !== undefined) return Promise.reject(this.#exit);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
    });
  }
}
