import cluster from 'node:cluster';

/** What the processes of a server tell their supervisor, which passes a question on to all the others... */
export type FromProcess =
  | { readonly type: 'ask'; readonly id: number; readonly question: string; readonly args: readonly unknown[] }
  | { readonly type: 'answer'; readonly id: number; readonly value: unknown };

/** ...and what it tells them: to end, what one of them asks, and what the others said to that. */
export type ToProcess =
  | { readonly type: 'drain' }
  | { readonly type: 'asked'; readonly id: number; readonly question: string; readonly args: readonly unknown[] }
  | { readonly type: 'answers'; readonly id: number; readonly values: readonly unknown[] };

type Answer = (...args: never[]) => unknown;

/** The processes of this server: often this one alone. */
export class Processes {
  readonly #answers = new Map<string, Answer>();
  readonly #waiting = new Map<number, (values: readonly unknown[]) => void>();
  #lastId = 0;

  constructor() {
    if (cluster.isWorker) process.on('message', (message: ToProcess) => void this.#receive(message));
  }

  /** How each of them answers a question, once it can. */
  answer(question: string, how: Answer): void {
    this.#answers.set(question, how);
  }

  /** What each answers, this one first; one that fails at it, or can't answer yet, is left out, but for this one. */
  async ask<T>(question: string, ...args: unknown[]): Promise<T[]> {
    const own = await this.#own(question, args);
    const others = cluster.isWorker ? await this.#askOthers(question, args) : [];
    return [own, ...others.filter((value) => value !== undefined)] as T[];
  }

  async #own(question: string, args: readonly unknown[]): Promise<unknown> {
    return this.#answers.get(question)?.(...(args as never[]));
  }

  #askOthers(question: string, args: readonly unknown[]): Promise<readonly unknown[]> {
    return new Promise((resolve) => {
      const id = ++this.#lastId;
      this.#waiting.set(id, resolve);
      tell({ type: 'ask', id, question, args });
    });
  }

  async #receive(message: ToProcess): Promise<void> {
    if (message.type === 'answers') {
      this.#waiting.get(message.id)?.(message.values);
      this.#waiting.delete(message.id);
    } else if (message.type === 'asked') {
      const value = await this.#own(message.question, message.args).catch(() => undefined);
      tell({ type: 'answer', id: message.id, value });
    }
  }
}

function tell(message: FromProcess): void {
  process.send?.(message);
}
