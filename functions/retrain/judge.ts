import { createHash } from 'node:crypto';
import { textContent } from '../adapters/content.ts';
import { parseModelConfig } from '../adapters/model-config-text.ts';
import { signatureDifference } from '../inference/candidate.ts';
import { compileCandidate } from '../inference/compile.ts';
import { AnswerFailed, evaluateTogether, type Sample } from '../inference/evaluate.ts';
import { GOLDEN_FILE, parseGolden } from '../inference/golden.ts';
import { fittedImageTensor, type Picture } from '../inference/image-tensor.ts';
import { liveVersion } from '../inference/live-version.ts';
import type { ModelLoader, ServedModel, VersionSource } from '../inference/model-loader.ts';
import { type Compiler, type Content, type FileHashes, ModelRejected } from '../inference/ports.ts';
import { parseRelease, publishedFiles } from '../inference/release.ts';
import type { TensorSpec } from '../inference/serving-config.ts';
import type { ModelConfig } from '../protocol/model-config.ts';
import { classesOf, goldenProblem, labelDifference, parityOf, rejectedAs } from './challenger-checks.ts';
import type { StoredDecision } from './decisions.ts';
import { decide, type Findings } from './gate.ts';
import { type Gates, readGates } from './gates.ts';
import { CONFIG_FILE, MODEL_FILE, type StagedModel } from './staged-model.ts';
import type { Stores } from './stores.ts';

/** What has been trained. */
export type Trained = {
  readonly model: string;
  /** Of the upload that it was trained on. */
  readonly id: string;
  /** The training job. */
  readonly job: string;
  readonly execution: string;
};

export type JudgeParts = Pick<Stores, 'models' | 'heldOut' | 'decisions' | 'staged'> & {
  readonly loader: ModelLoader;
  readonly compiler: Compiler;
  /** Told what became of the compilation of a model that was let through. */
  readonly told: (run: Trained, text: string) => void;
  /** @throws Error for bytes that are no picture */
  readonly decode: (bytes: Uint8Array) => Picture;
  readonly now: () => Date;
};

/** The file of a model's folder. */
const TRAINING_FILE = 'training.json';
/** Stands for the version's number, which the challenger gets later, if it does. */
const CHALLENGER = 'challenger';

type Examined = { readonly findings: Findings; readonly live?: string; readonly heldOutSha256?: string };

type Prepared = {
  readonly config: ModelConfig;
  readonly labelFiles: readonly string[];
  readonly source: VersionSource;
};

/**
 * Holds what was trained, the challenger, against the gates and the live version, the champion, in the runtime that serves:
 * the same held-out pictures, one after the other, in both.
 */
export class Judge {
  readonly #parts: JudgeParts;

  constructor(parts: JudgeParts) {
    this.#parts = parts;
  }

  /**
   * @returns the decision, which is kept; that of a job which was judged before stands
   * @throws Error where nothing can be decided: without a held-out set, with a live version that does not load, or a
   *   training.json that can't be read
   */
  async judge({ model, id, job, execution }: Trained): Promise<StoredDecision> {
    const { decisions, models, staged, now } = this.#parts;
    const known = await decisions.of(model, job);
    if (known !== undefined) return known;
    const training = await models.tagged(model, TRAINING_FILE);
    const { gates } = readGates(training?.text ?? '{}');
    const challenger = staged(model, job);
    const files = await rejectedAs(() => challenger.versionFiles());
    const hashes = typeof files === 'string' ? {} : await hashesOf(files);
    const { findings, live, heldOutSha256 } =
      typeof files === 'string'
        ? { findings: { bytes: 0, loading: files } }
        : await this.#examine(model, challenger, sizeOf(files), hashes, gates);
    const decision: StoredDecision = {
      model,
      id,
      job,
      execution,
      decided_at: now().toISOString(),
      ...(live === undefined ? {} : { live }),
      ...decide(findings, gates),
      thresholds: gates,
      files: hashes,
      ...(heldOutSha256 === undefined ? {} : { held_out_sha256: heldOutSha256 }),
    };
    const kept = await decisions.keep(decision);
    // After it: whatever becomes of the compilation, the decision stands. Of two judges the first one's counts.
    if (kept === decision && kept.outcome === 'promote') await this.#compile(challenger, kept);
    return kept;
  }

  /** A model that can't be compiled is promoted without. */
  async #compile(staged: StagedModel, decision: StoredDecision): Promise<void> {
    const { loader, compiler, decisions, told } = this.#parts;
    const { model, files } = decision;
    const done = await rejectedAs(async () => {
      const { config, source } = await this.#prepared(model, staged, files);
      const text = await staged.text(GOLDEN_FILE);
      const golden = text === undefined ? undefined : parseGolden(text);
      const candidate = { id: { model, version: CHALLENGER }, source, config, golden };
      const compilation = await compileCandidate(
        { loader, compiler, content: textContent },
        candidate,
        MODEL_FILE,
        files,
      );
      try {
        await decisions.keepCompiled(decision, compilation.files);
      } finally {
        await compilation.remove();
      }
      return compilation;
    });
    told(decision, typeof done === 'string' ? `not compiled: ${done}` : done.text);
  }

  async #examine(
    model: string,
    staged: StagedModel,
    bytes: number,
    hashes: FileHashes,
    gates: Gates,
  ): Promise<Examined> {
    const parity = await rejectedAs(() => parityOf(staged, hashes));
    // A file that is too large is not even brought here.
    if (bytes > gates.maxBytes) return { findings: { bytes, parity } };
    const { models, loader } = this.#parts;
    const stored = await models.find(model);
    const live = liveVersion(stored);
    const released = stored.release === undefined ? undefined : parseRelease(stored.release);
    const champion =
      live === undefined
        ? undefined
        : await loader.load(
            models,
            { model, version: live },
            stored.config,
            released && publishedFiles(released, live),
          );
    try {
      const known = live === undefined ? {} : { live };
      const prepared = await rejectedAs(() => this.#prepared(model, staged, hashes));
      if (typeof prepared === 'string') return { ...known, findings: { bytes, parity, loading: prepared } };
      const { config, labelFiles, source } = prepared;
      const challenger = await rejectedAs(() => loader.load(source, { model, version: CHALLENGER }, config));
      if (typeof challenger === 'string') {
        const findings = { bytes, parity, ...(await this.#whyNotLoaded(source, model, challenger)) };
        return { ...known, findings };
      }
      try {
        return { ...known, ...(await this.#compare(staged, challenger, champion, labelFiles, { bytes, parity })) };
      } finally {
        await challenger.unload();
      }
    } finally {
      await champion?.unload();
    }
  }

  /** A file that loads by itself has another signature than the model's configuration says. */
  async #whyNotLoaded(source: VersionSource, model: string, problem: string): Promise<Partial<Findings>> {
    const byItself = await rejectedAs(() => this.#parts.loader.load(source, { model, version: CHALLENGER }, {}));
    if (typeof byItself === 'string') return { loading: problem };
    await byItself.unload();
    return { loading: '', signature: problem };
  }

  /** The challenger as a version: served with the model's own configuration, or the first one's. */
  async #prepared(model: string, staged: StagedModel, hashes: FileHashes): Promise<Prepared> {
    const { models } = this.#parts;
    const own = await models.tagged(model, CONFIG_FILE);
    const config = own === undefined ? await staged.config() : parseModelConfig(own.text);
    const names = (config.output ?? []).map(({ label_filename }) => label_filename);
    const labelFiles = names.filter((name) => name !== undefined);
    return { config, labelFiles, source: await staged.asVersion(models, hashes, labelFiles) };
  }

  async #compare(
    staged: StagedModel,
    challenger: ServedModel,
    champion: ServedModel | undefined,
    labelFiles: readonly string[],
    known: Findings,
  ): Promise<Examined> {
    const difference = champion && signatureDifference(challenger.serving, champion);
    const signature = difference ?? (await labelDifference(staged, this.#parts.models, challenger.model, labelFiles));
    const golden = await goldenProblem(staged, challenger);
    const findings: Findings = { ...known, loading: '', signature: signature ?? '', golden };
    // Other inputs can't be given the same pictures.
    if (signature !== undefined) return { findings };
    const [input, ...more] = challenger.serving.inputs;
    if (input === undefined || more.length > 0) {
      const loading = `it has ${challenger.serving.inputs.length} inputs; expected one, of pictures`;
      return { findings: { ...findings, loading } };
    }
    try {
      return await this.#score(input, challenger, champion, await classesOf(staged), findings);
    } catch (error) {
      if (!(error instanceof AnswerFailed) || error.served !== challenger) throw error;
      return { findings: { ...findings, loading: `it does not answer the held-out set: ${error.message}` } };
    }
  }

  async #score(
    input: TensorSpec,
    challenger: ServedModel,
    champion: ServedModel | undefined,
    classes: readonly string[],
    findings: Findings,
  ): Promise<Examined> {
    const { heldOut, decode } = this.#parts;
    const digest = createHash('sha256');
    const labels: string[] = [];
    async function* samples(): AsyncIterable<Sample> {
      for await (const { path, label, bytes } of heldOut.samples(challenger.model)) {
        digest.update(`${createHash('sha256').update(bytes).digest('hex')}  ${path}\n`);
        labels.push(label);
        yield { tensor: tensorOf(challenger, input, decoded(decode, path, bytes)), label };
      }
    }
    const contenders = champion === undefined ? [challenger] : [challenger, champion];
    const [ofChallenger, ofChampion] = await evaluateTogether(contenders, samples(), classes);
    if (ofChallenger === undefined || labels.length === 0) {
      throw new ModelRejected(`the held-out set of '${challenger.model}' holds no pictures`);
    }
    const found = { labels, challenger: ofChallenger, champion: ofChampion };
    return { findings: { ...findings, heldOut: found }, heldOutSha256: digest.digest('hex') };
  }
}

function decoded(decode: JudgeParts['decode'], path: string, bytes: Uint8Array): Picture {
  try {
    return decode(bytes);
  } catch (error) {
    throw new ModelRejected(`${path} of the held-out set can't be read: ${(error as Error).message}`);
  }
}

function tensorOf(served: ServedModel, input: TensorSpec, picture: Picture): Sample['tensor'] {
  try {
    return fittedImageTensor(input, picture);
  } catch (error) {
    if (error instanceof ModelRejected) throw new AnswerFailed(served, error.message);
    throw error;
  }
}

async function hashesOf(files: ReadonlyMap<string, Content>): Promise<FileHashes> {
  const hashes: { [path: string]: string } = {};
  for (const [path, content] of files) hashes[path] = await content.sha256();
  return hashes;
}

function sizeOf(files: ReadonlyMap<string, Content>): number {
  return Array.from(files.values()).reduce((sum, { size }) => sum + size, 0);
}
