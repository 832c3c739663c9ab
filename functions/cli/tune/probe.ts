import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { ALLOCATION } from '../../adapters/session-memory.ts';
import { DISABLE_PREPACKING } from '../../inference/compiled.ts';
import { ModelRejected } from '../../inference/ports.ts';
import { tensorToBytes } from '../../protocol/binary-tensor.ts';
import type { ModelConfig } from '../../protocol/model-config.ts';
import type { Tensor } from '../../protocol/tensor.ts';
import type { FromProbe, Loaded, Measured, Refused, ToProbe } from './probe-messages.ts';

export type Setting = { readonly threads: number; readonly prepacking: boolean };

const SCRIPT = join(import.meta.dirname, 'probe-process.ts');
/** Beyond what is measured. */
const PATIENCE_MS = 120_000;

/** A model with one setting of ONNX Runtime, in a process of its own. */
export class Probe {
  readonly #process: ChildProcess;
  readonly setting: Setting;

  constructor(setting: Setting) {
    this.setting = setting;
    this.#process = fork(SCRIPT, {
      env: { ...process.env, ...ALLOCATION },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** @throws ModelRejected */
  load(path: string, config: ModelConfig): Promise<Loaded> {
    const { threads, prepacking } = this.setting;
    const parameters = {
      ...config.parameters,
      intra_op_thread_count: { string_value: `${threads}` },
      [DISABLE_PREPACKING]: { string_value: prepacking ? '0' : '1' },
    };
    return this.#ask({ op: 'load', path, config: { ...config, parameters } }) as Promise<Loaded>;
  }

  /** @throws ModelRejected where the model does not compute them */
  async give(rows: number, tensors: readonly Tensor[]): Promise<void> {
    const sent = tensors.map((tensor) => ({
      name: tensor.name,
      datatype: tensor.datatype,
      shape: tensor.shape,
      base64: Buffer.from(tensorToBytes(tensor)).toString('base64'),
    }));
    await this.#ask({ op: 'inputs', rows, tensors: sent });
  }

  /** Runs for so many milliseconds, once at least. */
  run(rows: number, ms: number): Promise<Measured> {
    return this.#ask({ op: 'run', rows, ms }, ms) as Promise<Measured>;
  }

  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGKILL');
    await ended;
  }

  #ask(message: ToProbe, ms = 0): Promise<FromProbe> {
    return new Promise((resolve, reject) => {
      const finish = (act: () => void): void => {
        clearTimeout(timer);
        this.#process.off('message', onMessage).off('exit', onExit);
        act();
      };
      const onMessage = (found: FromProbe | Refused): void =>
        finish(() =>
          'refused' in found ? reject(new ModelRejected(`${found.refused}`)) : resolve(found as FromProbe),
        );
      const onExit = (code: number | null, signal: string | null): void =>
        finish(() => reject(new ModelRejected(`the model's process ended (${signal ?? `exit code ${code}`})`)));
      const late = (): void => finish(() => reject(new ModelRejected('the model does not answer within two minutes')));
      const timer = setTimeout(late, ms + PATIENCE_MS);
      this.#process.on('message', onMessage).on('exit', onExit);
      this.#process.send(message);
    });
  }
}
