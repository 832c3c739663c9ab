import { COMPILED_FILE, COMPILED_MANIFEST, parseCompiledManifest } from '../inference/compiled.ts';
import { type Content, type FileHashes, type ModelRepository, WriteConflict } from '../inference/ports.ts';
import type { Decision } from './gate.ts';
import type { Gates } from './gates.ts';

/** `control/decisions/<model>/<job>.json`, and `decision.json` of the version that came of it. */
export type StoredDecision = Decision & {
  readonly model: string;
  /** Of the upload. */
  readonly id: string;
  readonly job: string;
  readonly execution: string;
  /** ISO 8601, in UTC. */
  readonly decided_at: string;
  /** The version that was live then; undefined where none was. */
  readonly live?: string;
  readonly thresholds: Gates;
  /** Of what was judged, by path in the job's model folder: what is promoted has to be the same. */
  readonly files: FileHashes;
  /** Of the list of the held-out set's files as sha256sum writes it, in the set's order. */
  readonly held_out_sha256?: string;
};

export type ToldDecision = Pick<Decision, 'outcome' | 'code' | 'text' | 'gates'>;

/** What the judge has decided, once for each training job. */
export class Decisions {
  readonly #repository: ModelRepository;

  /** @param repository of what is below `control/decisions/`, where no training job may write */
  constructor(repository: ModelRepository) {
    this.#repository = repository;
  }

  async of(model: string, job: string): Promise<StoredDecision | undefined> {
    const found = await this.#repository.tagged(model, pathOf(job));
    return found && (JSON.parse(found.text) as StoredDecision);
  }

  /** Keeps a decision. @returns the one that counts: of two judges the first one's */
  async keep(decision: StoredDecision): Promise<StoredDecision> {
    const { model, job } = decision;
    try {
      await this.#repository.replace(model, pathOf(job), documentOf(decision), undefined);
      return decision;
    } catch (error) {
      const first = error instanceof WriteConflict ? await this.of(model, job) : undefined;
      if (first === undefined) throw error;
      return first;
    }
  }

  /** Keeps what was compiled of a model that was let through. */
  async keepCompiled({ model, job }: StoredDecision, files: ReadonlyMap<string, Content>): Promise<void> {
    for (const [path, content] of files) await this.#repository.create(model, `${job}/${path}`, content);
  }

  /** What was compiled of the very files that were judged, by path in the version's folder; empty where nothing was. */
  async compiled({ model, job, files: judged }: StoredDecision): Promise<ReadonlyMap<string, Content>> {
    const kept = await this.#repository.files(model);
    const [file, manifest] = [kept.get(`${job}/${COMPILED_FILE}`), kept.get(`${job}/${COMPILED_MANIFEST}`)];
    if (file === undefined || manifest === undefined) return new Map();
    const found = parseCompiledManifest(
      (await this.#repository.tagged(model, `${job}/${COMPILED_MANIFEST}`))?.text ?? '',
    );
    const hashes = Object.values(judged);
    if (!found?.sources.every((hash) => hashes.includes(hash)) || found.sha256 !== (await file.sha256()))
      return new Map();
    return new Map([
      [COMPILED_FILE, file],
      [COMPILED_MANIFEST, manifest],
    ]);
  }
}

/** The document's text, which is the same for the same decision. */
export function documentOf(document: object): string {
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** What of a decision the workflow and the ledger need; the figures of each class are in the one that is kept. */
export function toldOf({ outcome, code, text, gates }: Decision): ToldDecision {
  return { outcome, ...(code === undefined ? {} : { code }), text, gates };
}

function pathOf(job: string): string {
  return `${job}.json`;
}
