import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileContent } from '../adapters/content.ts';
import { readTar, type TarFile, writeTar } from '../adapters/tar.ts';
import { type Content, ModelRejected, type ModelRepository } from '../inference/ports.ts';

/** The pictures of a model that are never trained on: what every version of it is judged by. */
export interface HeldOut {
  exists(model: string): Promise<boolean>;
  /**
   * Each with its path `<class>/<file>`, in a fixed order.
   * @throws ModelRejected where there are none, or the set can't be read
   */
  samples(model: string): AsyncIterable<HeldOutSample>;
  /**
   * Makes the set of files `<class>/<file>.png|jpg|jpeg`, once: the same files again, in the same order, are as good as made.
   * @throws WriteConflict where there is another one
   */
  create(model: string, files: AsyncIterable<TarFile>): Promise<void>;
}

export type HeldOutSample = {
  readonly path: string;
  readonly label: string;
  /** Of the PNG or JPEG file. */
  readonly bytes: Uint8Array;
};

/** The file of a model's folder. */
export const HELD_OUT_FILE = 'evaluation.tar';

const LIMITS = { maxFiles: 100_000, maxFileBytes: 64 * 1024 ** 2 };
const PATH = /^[^./\\\0][^/\\\0]*\/[^./\\\0][^/\\\0]*\.(png|jpe?g)$/i;

/** Held-out sets as archives `<model>/evaluation.tar` of a model repository. */
export class TarHeldOut implements HeldOut {
  readonly #repository: ModelRepository;

  constructor(repository: ModelRepository) {
    this.#repository = repository;
  }

  async exists(model: string): Promise<boolean> {
    return (await this.#content(model)) !== undefined;
  }

  async *samples(model: string): AsyncIterable<HeldOutSample> {
    const content = await this.#content(model);
    if (content === undefined) throw new ModelRejected(`'${model}' has no ${HELD_OUT_FILE}; expected a held-out set`);
    yield* samplesOf(content.open());
  }

  async create(model: string, files: AsyncIterable<TarFile>): Promise<void> {
    const path = join(tmpdir(), `serverless-onnx-${randomUUID()}.tar`);
    try {
      await writeTar(path, checked(files));
      await this.#repository.create(model, HELD_OUT_FILE, await fileContent(path));
    } finally {
      await rm(path, { force: true });
    }
  }

  async #content(model: string): Promise<Content | undefined> {
    return (await this.#repository.files(model)).get(HELD_OUT_FILE);
  }
}

/**
 * The pictures in the bytes of an evaluation.tar.
 * @throws ModelRejected
 */
export async function* samplesOf(chunks: AsyncIterable<Uint8Array>): AsyncIterable<HeldOutSample> {
  try {
    for await (const { path, bytes } of checked(readTar(chunks, LIMITS))) {
      yield { path, label: path.slice(0, path.indexOf('/')), bytes };
    }
  } catch (error) {
    if (!(error instanceof ModelRejected)) throw error;
    throw new ModelRejected(`${HELD_OUT_FILE} can't be used: ${error.message}`);
  }
}

/** What could not be read later must not be written. */
async function* checked(files: AsyncIterable<TarFile>): AsyncIterable<TarFile> {
  for await (const file of files) {
    const { path, bytes } = file;
    if (!PATH.test(path))
      throw new ModelRejected(`'${path}' is no path of a picture; expected <class>/<file>.png or .jpg`);
    if (bytes.length > LIMITS.maxFileBytes) {
      throw new ModelRejected(`'${path}' has ${bytes.length} bytes; expected at most ${LIMITS.maxFileBytes}`);
    }
    yield file;
  }
}
