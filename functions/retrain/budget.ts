import { type Content, type ModelRepository, WriteConflict } from '../inference/ports.ts';

/** A slot's document: who took it. Without a time, so that to take it again is the same. */
type Slot = { readonly model: string; readonly execution: string };

/**
 * How many jobs a model may start on a day: as many as there are slots, `<model>/<date>/<k>.json` with k from 1. Of all who want a slot one
 * makes its file, and nobody gives one back: what has started costs money.
 */
export class Budget {
  readonly #repository: ModelRepository;
  readonly #content: (text: string) => Content;

  constructor(repository: ModelRepository, content: (text: string) => Content) {
    this.#repository = repository;
    this.#content = content;
  }

  /**
   * Takes a slot of the day, or finds the one that this execution has taken before.
   * @param slots of the day
   * @returns its number from 1; undefined where all are taken
   */
  async take({ model, execution }: Slot, slots: number, now: Date): Promise<number | undefined> {
    const slot = this.#content(`${JSON.stringify({ model, execution })}\n`);
    for (let k = 1; k <= slots; k++) {
      try {
        await this.#repository.create(model, `${dayOf(now)}/${k}.json`, slot);
        return k;
      } catch (error) {
        if (!(error instanceof WriteConflict)) throw error;
      }
    }
    return undefined;
  }

  /** Slots of the day that are taken. */
  async taken(model: string, now: Date): Promise<number> {
    const paths = [...(await this.#repository.files(model)).keys()];
    return paths.filter((path) => path.startsWith(`${dayOf(now)}/`)).length;
  }
}

/** The date in UTC. */
export function dayOf(time: Date): string {
  return time.toISOString().slice(0, 10);
}
