import { type ModelRepository, WriteConflict } from '../inference/ports.ts';

/** How often a change is made again that others came before. */
const TRIES = 100;

/** Small JSON documents that many write, each under the condition that it is as it was read: nothing locks. */
export class Documents<T extends object> {
  readonly #repository: ModelRepository;

  constructor(repository: ModelRepository) {
    this.#repository = repository;
  }

  async read(model: string, path: string): Promise<T | undefined> {
    return (await this.#tagged(model, path)).found;
  }

  /**
   * Changes a document.
   * @param change of what is there, undefined where nothing is; the same again where nothing is to be changed. It may be asked more than once
   * @returns what is there afterwards, and whether it was this call that has changed it
   */
  async update<U extends T | undefined>(
    model: string,
    path: string,
    change: (found: T | undefined) => U,
  ): Promise<{ found: U; changed: boolean }> {
    for (let tries = 1; ; tries++) {
      const { found, tag } = await this.#tagged(model, path);
      const next = change(found);
      if (next === undefined || next === found) return { found: next, changed: false };
      try {
        // Two who write the same at the same time must not both believe that it was theirs.
        const text = JSON.stringify({ ...next, written_as: crypto.randomUUID() }, null, 2);
        await this.#repository.replace(model, path, `${text}\n`, tag);
        return { found: next, changed: true };
      } catch (error) {
        if (!(error instanceof WriteConflict) || tries === TRIES) throw error;
      }
    }
  }

  async #tagged(model: string, path: string): Promise<{ found: T | undefined; tag: string | undefined }> {
    const document = await this.#repository.tagged(model, path);
    return { found: document && parsed<T>(document.text, `${model}/${path}`), tag: document?.tag };
  }
}

/** @throws Error for what none of us has written: nothing is done about the model until somebody has looked */
function parsed<T>(text: string, path: string): T {
  try {
    return JSON.parse(text) as T;
  } catch {
    throw new Error(`${path} below control/ is no JSON; expected a document that the retraining loop has written`);
  }
}
