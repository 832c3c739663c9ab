import { ByteProgress, bytesText } from '../../adapters/progress.ts';
import type { Content, ModelRepository } from '../../inference/ports.ts';
import { parseRelease, RELEASE_FILE, type Release } from '../../inference/release.ts';
import { servableVersions } from '../../inference/serving-config.ts';
import { isVersion } from '../../protocol/names.ts';
import { Failure, Misuse } from '../failure.ts';
import { type Common, openRepository, publisherOf, repositoryAt } from './repository.ts';

/** Brings models of the repository to another one. */
export async function push(to: string, models: readonly string[], options: Common): Promise<void> {
  const { repository } = await openRepository(options);
  await copyModels(repository, await repositoryAt(to), models, options);
}

/** Brings models of another repository to this one. */
export async function pull(from: string, models: readonly string[], options: Common): Promise<void> {
  const { repository } = await openRepository(options);
  await copyModels(await repositoryAt(from), repository, models, options);
}

async function copyModels(
  from: ModelRepository,
  to: ModelRepository,
  models: readonly string[],
  options: Common,
): Promise<void> {
  const found = await from.models();
  const unknown = models.find((model) => !found.includes(model));
  if (unknown !== undefined) throw new Misuse(`'${unknown}' is not found; there are ${found.join(', ') || 'none'}`);
  const copied: object[] = [];
  for (const model of models.length > 0 ? models : found) copied.push(await copyModel(from, to, model, options));
  if (options.json) console.log(JSON.stringify(copied));
}

/** Versions that are there already must be the same. What is live there stays so, unless the model is new there. */
async function copyModel(from: ModelRepository, to: ModelRepository, model: string, options: Common): Promise<object> {
  const files = await from.files(model);
  const { config, versions, release: text } = await from.find(model);
  const release = text === undefined ? undefined : parseRelease(text);
  const live = release?.live ?? servableVersions(config.version_policy, versions).at(-1);
  const there = await to.files(model);
  const missing = versions.filter((version) => !isThere(there, version, config.default_model_filename));
  for (const version of versions.filter((known) => !missing.includes(known)))
    await checkSame(model, version, files, there);
  // Of a new model the first version to come is live at once.
  const inOrder = missing.sort((a, b) => Number(b === live) - Number(a === live) || Number(a) - Number(b));
  const bytes = inOrder.flatMap((version) => [...versionFiles(files, version).values()]);
  const total = bytes.reduce((sum, { size }) => sum + size, 0);
  const progress = new ByteProgress(model, total);
  const publisher = publisherOf(to, options);
  try {
    for (const version of inOrder) {
      const modelFiles = new Map([...files].filter(([path]) => belongsToModel(path)));
      const own = Array.from(versionFiles(files, version), ([path, file]) => [path, progress.watch(file)] as const);
      await publisher.publish(model, {
        version,
        modelFile: config.default_model_filename || 'model.onnx',
        files: new Map(own),
        modelFiles,
        ...eventOf(release, version),
      });
    }
  } finally {
    progress.stop();
  }
  if (!options.json) {
    const what =
      inOrder.length === 0
        ? 'nothing to do'
        : `versions ${[...inOrder].sort(byNumber).join(', ')}, ${bytesText(total)}`;
    console.log(`${model}: ${what}`);
  }
  return { model, versions: inOrder, bytes: total };
}

function isThere(files: ReadonlyMap<string, Content>, version: string, modelFile = 'model.onnx'): boolean {
  return files.has(`${version}/${modelFile || 'model.onnx'}`);
}

async function checkSame(
  model: string,
  version: string,
  here: ReadonlyMap<string, Content>,
  there: ReadonlyMap<string, Content>,
): Promise<void> {
  for (const [path, content] of versionFiles(here, version)) {
    const other = there.get(`${version}/${path}`);
    if (other !== undefined && other.size === content.size && (await other.sha256()) === (await content.sha256()))
      continue;
    throw new Failure(`${model}/${version}/${path} is another one there; give the version another number`);
  }
}

function versionFiles(files: ReadonlyMap<string, Content>, version: string): ReadonlyMap<string, Content> {
  const own = [...files].filter(([path]) => path.startsWith(`${version}/`));
  return new Map(own.map(([path, content]) => [path.slice(version.length + 1), content]));
}

/** Not a version's, and not the release, which each repository has for itself. */
function belongsToModel(path: string): boolean {
  return path !== RELEASE_FILE && !isVersion(path.split('/')[0] ?? '');
}

/** What its publication said of the version. */
function eventOf(release: Release | undefined, version: string): { metrics?: object; lineage?: object } {
  const event = release?.history?.findLast((found) => found.version === version && found.sha256 !== undefined);
  return {
    ...(event?.metrics === undefined ? {} : { metrics: event.metrics }),
    ...(event?.lineage === undefined ? {} : { lineage: event.lineage }),
  };
}

function byNumber(a: string, b: string): number {
  return Number(a) - Number(b);
}
