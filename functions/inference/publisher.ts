import { isVersion } from '../protocol/names.ts';
import { type Content, type FileHashes, type ModelRepository, type StoredModel, WriteConflict } from './ports.ts';
import { type Canary, parseRelease, publicationOf, RELEASE_FILE, type Release, type ReleaseEvent } from './release.ts';
import {
  type Author,
  adopted,
  ChangeRefused,
  type Published,
  pinned,
  promoted,
  rolledBack,
  unpinned,
  withCanary,
  withLive,
  withVersion,
} from './release-changes.ts';
import { servableVersions } from './serving-config.ts';

export type NewVersion = {
  /** By default the number after the highest that ever was. */
  readonly version?: string | undefined;
  /** The model file's name. */
  readonly modelFile: string;
  /** By their paths in the version's folder, the model file among them. */
  readonly files: ReadonlyMap<string, Content>;
  /** By their paths in the model's folder: config.pbtxt, labels. */
  readonly modelFiles: ReadonlyMap<string, Content>;
  /** Whoever publishes again in the same run completes the version that was begun: a run makes one version. */
  readonly run?: string | undefined;
} & Pick<Published, 'metrics' | 'lineage'>;

export type Condition = {
  /** Refuse where another version is live by now. */
  readonly ifLive?: string | undefined;
};

/** How often a change is made again that others came before. */
const TRIES = 100;
const MAX_VERSION = 999_999_999;

/**
 * Changes what a model repository holds and what is live there. Every change is one conditional write of release.json: of
 * several that come at the same time one is made, and the others are told.
 *
 * Its methods throw ChangeRefused, WriteConflict, or ModelRejected for a release.json that can't be read.
 */
export class Publisher {
  readonly #repository: ModelRepository;
  readonly #author: () => Author;

  /** @param author who makes the changes, and when */
  constructor(repository: ModelRepository, author: () => Author) {
    this.#repository = repository;
    this.#author = author;
  }

  /**
   * Adds a version. Its number is taken first, by a conditional write, and its model file comes last, so that a version
   * is there whole or not at all. It is not live, unless nothing else that could be is there.
   */
  async publish(model: string, added: NewVersion): Promise<{ version: string; release: Release }> {
    const { files, modelFiles, modelFile } = added;
    await this.#checkModelFiles(model, modelFiles);
    const sha256 = await hashesOf(files);
    const version = await this.#takeNumber(model, added, sha256);
    for (const [path, content] of modelFiles) await this.#repository.create(model, path, content);
    const modelLast = [...files].sort(([a], [b]) => Number(a === modelFile) - Number(b === modelFile));
    for (const [path, content] of modelLast) await this.#repository.create(model, `${version}/${path}`, content);
    return { version, release: await this.#liveIfNothingIs(model, version) };
  }

  /** Makes a version live. */
  promote(model: string, version: string, condition: Condition = {}): Promise<Release> {
    return this.#change(model, condition, (release, stored) => {
      checkThere(model, version, stored);
      return promoted(release, version, this.#author());
    });
  }

  /** Gives a version a part of the requests. */
  canary(model: string, canary: Canary, condition: Condition = {}): Promise<Release> {
    return this.#change(model, condition, (release, stored) => {
      checkThere(model, canary.version, stored);
      return withCanary(release, canary, this.#author());
    });
  }

  /** Ends the canary; without one, makes live what was live before, or `to`. */
  rollBack(model: string, to?: string, pin = false, condition: Condition = {}): Promise<Release> {
    return this.#change(model, condition, (release, stored) => {
      const changed = rolledBack(release, to, this.#author());
      checkThere(model, changed.live, stored);
      return pin ? pinned(changed, this.#author()) : changed;
    });
  }

  /** Ends the canary, or only that one; refuses where there is none by now. */
  endCanary(model: string, version?: string): Promise<Release> {
    return this.#change(model, {}, (release) => {
      const found = release.canary?.version;
      if (found === undefined || (version !== undefined && found !== version)) {
        throw new ChangeRefused(
          `'${model}' has ${found === undefined ? 'no canary' : `another canary, ${found}`} by now`,
        );
      }
      return rolledBack(release, undefined, this.#author());
    });
  }

  pin(model: string, condition: Condition = {}): Promise<Release> {
    return this.#change(model, condition, (release) => pinned(release, this.#author()));
  }

  unpin(model: string, condition: Condition = {}): Promise<Release> {
    return this.#change(model, condition, (release) => unpinned(release, this.#author()));
  }

  async #change(
    model: string,
    { ifLive }: Condition,
    change: (release: Release, stored: StoredModel) => Release,
  ): Promise<Release> {
    const { tag, release, stored } = await this.#read(model);
    if (release === undefined) throw new ChangeRefused(`'${model}' is not found`);
    if (ifLive !== undefined && release.live !== ifLive) {
      throw new ChangeRefused(`version ${release.live} of '${model}' is live by now; expected ${ifLive}`);
    }
    const changed = change(release, stored);
    await this.#write(model, changed, tag);
    return changed;
  }

  /** What belongs to the model is the same for all of its versions. */
  async #checkModelFiles(model: string, given: NewVersion['modelFiles']): Promise<void> {
    const there = await this.#repository.files(model);
    for (const [path, content] of given) {
      const known = there.get(path);
      if (known === undefined || (await known.sha256()) === (await content.sha256())) continue;
      throw new ChangeRefused(`'${model}' has another ${path}, which all of its versions share`);
    }
  }

  /** Writes down which files the version will have, under a number that is nobody else's. */
  async #takeNumber(
    model: string,
    { version: wanted, metrics, lineage, run }: NewVersion,
    sha256: FileHashes,
  ): Promise<string> {
    return this.#untilWritten(model, async (release) => {
      const begun = run === undefined || release === undefined ? undefined : publicationOf(release, run);
      if (begun !== undefined) {
        checkSameFiles(model, begun, sha256);
        return [undefined, begun.version];
      }
      const known = await this.#numbers(model, release);
      const version = wanted ?? `${Math.max(0, ...known) + 1}`;
      if (known.includes(Number(version))) {
        throw new ChangeRefused(`'${model}' has a version ${version} already; versions never change`);
      }
      if (!isVersion(version)) {
        throw new ChangeRefused(`version is '${version}'; expected an integer from 1 to ${MAX_VERSION}`);
      }
      const published = {
        version,
        sha256,
        ...(metrics === undefined ? {} : { metrics }),
        ...(lineage === undefined ? {} : { lineage }),
        ...(run === undefined ? {} : { run }),
      };
      return [withVersion(release, published, this.#author()), version];
    });
  }

  /** A publisher that was killed may have left a release that names its version, which never came. */
  #liveIfNothingIs(model: string, version: string): Promise<Release> {
    return this.#untilWritten(model, async (release = { live: version }, stored) => {
      if (stored.versions.includes(release.live)) return [undefined, release];
      const changed = withLive(release, version, this.#author());
      return [changed, changed];
    });
  }

  /** Makes a change that does not depend on what others do, again after each of theirs. */
  async #untilWritten<T>(
    model: string,
    change: (release: Release | undefined, stored: StoredModel) => Promise<readonly [Release | undefined, T]>,
  ): Promise<T> {
    for (let tries = 1; ; tries++) {
      const { tag, release, stored } = await this.#read(model);
      const [changed, result] = await change(release, stored);
      try {
        if (changed !== undefined) await this.#write(model, changed, tag);
        return result;
      } catch (error) {
        if (!(error instanceof WriteConflict) || tries === TRIES) throw error;
      }
    }
  }

  /** Every number that a version of the model has, or had. */
  async #numbers(model: string, release: Release | undefined): Promise<number[]> {
    const folders = [...(await this.#repository.files(model)).keys()].map((path) => path.split('/')[0] ?? '');
    const named = (release?.history ?? []).map(({ version }) => version);
    return [...folders, ...named].filter(isVersion).map(Number);
  }

  /** The release as it is; of a model without release.json as its version_policy has it, with the files hashed. */
  async #read(model: string): Promise<{ tag: string | undefined; release: Release | undefined; stored: StoredModel }> {
    const found = await this.#repository.tagged(model, RELEASE_FILE);
    const stored = await this.#repository.find(model);
    if (found !== undefined) return { tag: found.tag, release: parseRelease(found.text), stored };
    const live = servableVersions(stored.config.version_policy, stored.versions).at(-1);
    if (live === undefined) return { tag: undefined, release: undefined, stored };
    return { tag: undefined, release: adopted(live, await this.#hashes(model, live), this.#author()), stored };
  }

  async #hashes(model: string, version: string): Promise<FileHashes> {
    const all = [...(await this.#repository.files(model))];
    const own = all.filter(([path]) => path.startsWith(`${version}/`));
    return hashesOf(new Map(own.map(([path, content]) => [path.slice(version.length + 1), content])));
  }

  #write(model: string, release: Release, tag: string | undefined): Promise<void> {
    return this.#repository.replace(model, RELEASE_FILE, `${JSON.stringify(release, null, 2)}\n`, tag);
  }
}

async function hashesOf(files: ReadonlyMap<string, Content>): Promise<FileHashes> {
  const hashes: { [path: string]: string } = {};
  for (const [path, content] of files) hashes[path] = await content.sha256();
  return hashes;
}

function checkSameFiles(model: string, { version, run, sha256 = {} }: ReleaseEvent, given: FileHashes): void {
  const paths = new Set([...Object.keys(sha256), ...Object.keys(given)]);
  const other = Array.from(paths).find((path) => sha256[path] !== given[path]);
  if (other === undefined) return;
  throw new ChangeRefused(`run '${run}' has begun version ${version} of '${model}' with another ${other}`);
}

function checkThere(model: string, version: string, { versions }: StoredModel): void {
  if (versions.includes(version)) return;
  const found = versions.length === 0 ? 'none' : versions.join(', ');
  throw new ChangeRefused(`'${model}' has no complete version ${version}; it has ${found}`);
}
