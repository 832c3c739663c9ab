import { createHash } from 'node:crypto';
import { textContent } from '../adapters/content.ts';
import { parseModelConfig } from '../adapters/model-config-text.ts';
import { liveVersion } from '../inference/live-version.ts';
import { type Content, type FileHashes, ModelRejected, WriteConflict } from '../inference/ports.ts';
import { Publisher } from '../inference/publisher.ts';
import { parseRelease, type Release } from '../inference/release.ts';
import { ChangeRefused } from '../inference/release-changes.ts';
import { documentOf, type StoredDecision } from './decisions.ts';
import { readGates } from './gates.ts';
import type { Trained } from './judge.ts';
import { LINEAGE_FILE, type Lineage, lineageOf } from './lineage.ts';
import { CONFIG_FILE, METRICS_FILE, MODEL_FILE, type StagedModel } from './staged-model.ts';
import type { Stores } from './stores.ts';

/** What has been trained, and from what. */
export type TrainedFrom = Trained & {
  /** Of the snapshot's folder. */
  readonly snapshot: string;
  /** Of the container that the job ran in. */
  readonly image: string;
  /** Of the program that it ran. */
  readonly code: string;
};

/** What became of a model that the judge has let through. */
export type Promotion = {
  readonly version: string;
  /** `rejected`: the version is there, and is not live. */
  readonly outcome: 'promoted' | 'canary' | 'rejected';
  readonly code?: 'pinned' | 'live-changed' | 'rolled-back';
  readonly text: string;
};

export type PromoterParts = Pick<Stores, 'models' | 'decisions' | 'staged' | 'snapshots'> & {
  readonly now: () => Date;
};

const TRAINING_FILE = 'training.json';
const DECISION_FILE = 'decision.json';
const MANIFEST_FILE = 'manifest.json';
/** How often a change is made again that others came before. */
const TRIES = 20;

/** Makes what the judge has let through a version, and the version live. To do so again does no harm. */
export class Promoter {
  readonly #parts: PromoterParts;

  constructor(parts: PromoterParts) {
    this.#parts = parts;
  }

  /**
   * Publishes the next version, and makes it live, or a canary where training.json has a `canaryWeight`. A job makes one
   * version, whoever promotes it how often.
   * @throws Error where the judge has not let it through, or its files are not those that were judged
   */
  async promote(run: TrainedFrom): Promise<Promotion> {
    const { models, decisions, staged } = this.#parts;
    const { model, job } = run;
    const decision = await decisions.of(model, job);
    if (decision?.outcome !== 'promote') {
      const found = decision === undefined ? 'none' : `'${decision.outcome}'`;
      throw new Error(`the decision on job '${job}' of '${model}' is ${found}; expected 'promote'`);
    }
    const { canaryWeight } = readGates((await models.tagged(model, TRAINING_FILE))?.text ?? '{}');
    const publisher = new Publisher(models, () => ({
      at: this.#parts.now().toISOString(),
      by: 'retraining',
      reason: `job ${job}: ${reasonOf(decision)}`,
    }));
    const version = await this.#publish(publisher, run, staged(model, job), decision);
    return this.#release(publisher, model, version, decision.live, canaryWeight);
  }

  async #publish(
    publisher: Publisher,
    run: TrainedFrom,
    staged: StagedModel,
    decision: StoredDecision,
  ): Promise<string> {
    const { models } = this.#parts;
    const { model, job } = run;
    const judged = await judgedFiles(staged, decision.files);
    const compiled = await this.#parts.decisions.compiled(decision);
    const own = await models.files(model);
    const modelFiles = [...(await staged.modelFiles())].filter(([path]) => !own.has(path));
    const config = (await models.tagged(model, CONFIG_FILE))?.text ?? (await staged.text(CONFIG_FILE));
    const modelFile = (config && parseModelConfig(config).default_model_filename) || MODEL_FILE;
    const metrics = metricsIn(await staged.text(METRICS_FILE));
    const lineage = lineageOf(run, decision, await this.#manifest(run), metrics);
    const named = [...judged].map(([path, content]) => [path === MODEL_FILE ? modelFile : path, content] as const);
    const { version } = await publisher.publish(model, {
      modelFile,
      files: new Map([
        ...named,
        ...compiled,
        [DECISION_FILE, textContent(documentOf(decision))],
        [LINEAGE_FILE, textContent(documentOf(lineage))],
      ]),
      modelFiles: new Map(modelFiles),
      metrics: figuresOf(metrics),
      lineage,
      run: job,
    });
    return version;
  }

  /** Sha256 and number of files of the snapshot's manifest, which is written last. */
  async #manifest({ model, id }: TrainedFrom): Promise<Lineage['manifest']> {
    const found = await this.#parts.snapshots.tagged(model, `${id}/${MANIFEST_FILE}`);
    if (found === undefined) throw new Error(`the snapshot '${id}' of '${model}' has no ${MANIFEST_FILE}`);
    const { files } = JSON.parse(found.text) as { files: readonly object[] };
    return { sha256: createHash('sha256').update(found.text).digest('hex'), files: files.length };
  }

  async #release(
    publisher: Publisher,
    model: string,
    version: string,
    champion: string | undefined,
    canaryWeight: number | undefined,
  ): Promise<Promotion> {
    for (let tries = 1; ; tries++) {
      const stored = await this.#parts.models.find(model);
      const release = parseRelease(stored.release ?? '');
      const done = outcomeOf(release, version, champion, liveVersion(stored));
      if (done !== undefined) return done;
      try {
        const condition = { ifLive: release.live };
        if (canaryWeight === undefined) await publisher.promote(model, version, condition);
        else await publisher.canary(model, { version, weight: canaryWeight }, condition);
      } catch (error) {
        // Somebody has changed it meanwhile: what is there now decides.
        const mayPass = error instanceof WriteConflict || error instanceof ChangeRefused;
        if (!mayPass || tries === TRIES) throw error;
      }
    }
  }
}

/** What has become of a version; undefined where it is to be released. */
function outcomeOf(
  release: Release,
  version: string,
  champion: string | undefined,
  live: string | undefined,
): Promotion | undefined {
  const { canary, pinned, history = [] } = release;
  if (live === version) return { version, outcome: 'promoted', text: `version ${version} is live` };
  if (canary?.version === version) {
    return { version, outcome: 'canary', text: `version ${version} gets ${canary.weight * 100} % of the requests` };
  }
  const isThere = `version ${version} is published and not live`;
  // By an earlier try of the same run; what somebody has taken back stays so.
  if (history.some((event) => event.version === version && (event.action === 'promote' || event.action === 'canary'))) {
    return {
      version,
      outcome: 'rejected',
      code: 'rolled-back',
      text: `${isThere}: it was, and ${release.live} is again`,
    };
  }
  if (pinned) {
    return {
      version,
      outcome: 'rejected',
      code: 'pinned',
      text: `${isThere}, as version ${release.live} is pinned; npm run models -- unpin, then promote`,
    };
  }
  if (live === champion) return undefined;
  const judged = champion === undefined ? 'nothing' : `version ${champion}`;
  return {
    version,
    outcome: 'rejected',
    code: 'live-changed',
    text: `${isThere}: it was held against ${judged}, and version ${live} is live by now`,
  };
}

/** @throws ModelRejected where a file is another one than was judged */
async function judgedFiles(staged: StagedModel, hashes: FileHashes): Promise<ReadonlyMap<string, Content>> {
  const files = await staged.versionFiles();
  const paths = new Set([...files.keys(), ...Object.keys(hashes)]);
  for (const path of paths) {
    if ((await files.get(path)?.sha256()) === hashes[path]) continue;
    throw new ModelRejected(`the training job's ${path} is not the one that was judged`);
  }
  return files;
}

function reasonOf({ comparison, challenger }: StoredDecision): string {
  const accuracy = `accuracy ${challenger?.accuracy.toFixed(4)}`;
  if (comparison === undefined) return accuracy;
  const { difference } = comparison;
  return `${accuracy}, ${difference < 0 ? '' : '+'}${difference.toFixed(4)} to the one before`;
}

function metricsIn(text: string | undefined): { readonly [name: string]: unknown } {
  return Object(JSON.parse(text ?? '{}'));
}

/** The single figures; curves and tables stay in the version's metrics.json. */
function figuresOf(metrics: object): object {
  return Object.fromEntries(Object.entries(metrics).filter(([, value]) => typeof value === 'number'));
}
