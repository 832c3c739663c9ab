import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileContent, textContent } from '../../adapters/content.ts';
import { parseModelConfig } from '../../adapters/model-config-text.ts';
import { externalFiles } from '../../adapters/onnx-external-data.ts';
import { OrtCompiler } from '../../adapters/onnxruntime-compiler.ts';
import { ByteProgress, bytesText } from '../../adapters/progress.ts';
import { compileInChild } from '../../adapters/worker-compile.ts';
import { type Candidate, type Checked, checkCandidate } from '../../inference/candidate.ts';
import { type Compilation, compileCandidate } from '../../inference/compile.ts';
import { modelFileOf } from '../../inference/compiled.ts';
import { GOLDEN_FILE, parseGolden } from '../../inference/golden.ts';
import { liveVersion } from '../../inference/live-version.ts';
import type { VersionSource } from '../../inference/model-loader.ts';
import { type Content, ModelRejected, type ModelRepository } from '../../inference/ports.ts';
import type { ModelConfig } from '../../protocol/model-config.ts';
import { isModelName, isVersion } from '../../protocol/names.ts';
import { Failure, Misuse } from '../failure.ts';
import { withLoader } from './engine.ts';
import { tell } from './release.ts';
import { type Common, openRepository, publisherOf } from './repository.ts';

export type Publishing = Common & {
  readonly as: string;
  readonly version?: string;
  readonly config?: string;
  readonly labels?: string;
  readonly golden?: string;
  readonly metrics?: string;
  readonly lineage?: string;
  readonly promote?: true;
};

const CONFIG_FILE = 'config.pbtxt';
/** Stands for the version's number, which it gets later. */
const CANDIDATE = '1';

export async function publish(file: string, options: Publishing): Promise<void> {
  const { as: model, version: wanted } = options;
  if (!isModelName(model)) {
    throw new Misuse(`--as is '${model}'; expected 1 to 128 letters, digits, '.', '_' or '-', without '..'`);
  }
  if (wanted !== undefined && !isVersion(wanted)) {
    throw new Misuse(`--version is '${wanted}'; expected an integer from 1 to 999999999`);
  }
  for (const path of [file, options.config, options.labels, options.golden, options.metrics, options.lineage]) {
    if (path !== undefined) await checkFile(path);
  }
  const { repository, location } = await openRepository(options);
  const modelFiles = await readModelFiles(options);
  const config = await configOf(repository, model, options);
  const say = (text: string): void => void (options.json ?? console.error(text));
  say(`checking ${basename(file)} in ONNX Runtime`);
  const { checked, compilation } = await check(repository, file, model, config, modelFiles, options);
  try {
    say(compilation.text);
    const files = new Map([...(await filesOf(file, config, checked, options)), ...compilation.files]);
    await publishFiles(repository, location, files, modelFiles, config, options);
  } finally {
    await compilation.remove();
  }
}

async function publishFiles(
  repository: ModelRepository,
  location: string,
  files: ReadonlyMap<string, Content>,
  modelFiles: ReadonlyMap<string, Content>,
  config: ModelConfig,
  options: Publishing,
): Promise<void> {
  const { as: model, version: wanted } = options;
  const bytes = Array.from(files.values()).reduce((sum, { size }) => sum + size, 0);
  if (!options.json) console.error(`publishing ${bytesText(bytes)} to ${location}`);
  const progress = new ByteProgress('publishing', bytes);
  const publisher = publisherOf(repository, options);
  try {
    const { version, release } = await publisher.publish(model, {
      version: wanted,
      modelFile: modelFileOf(config),
      files: new Map(Array.from(files, ([path, content]) => [path, progress.watch(content)])),
      modelFiles,
      ...(await figuresIn(options.metrics)),
      ...(options.lineage === undefined ? {} : { lineage: await objectIn(options.lineage) }),
    });
    progress.stop();
    if (!options.json) console.log(`${model}: version ${version} is published`);
    const isLive = release.live === version;
    const after = options.promote && !isLive ? await publisher.promote(model, version) : release;
    tell(model, after, options);
    if (!options.json && after.live !== version) {
      console.log(`npm run models -- promote ${model} ${version} makes it live`);
    }
  } finally {
    progress.stop();
  }
}

async function checkFile(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw new Misuse(`${path} does not exist`);
  if (!found.isFile()) throw new Misuse(`${path} is no file`);
}

/** What belongs to the model, not to one version. */
async function readModelFiles({ config, labels }: Publishing): Promise<ReadonlyMap<string, Content>> {
  const files = new Map<string, Content>();
  if (config !== undefined) files.set(CONFIG_FILE, await fileContent(config));
  if (labels !== undefined) files.set(basename(labels), await fileContent(labels));
  return files;
}

async function configOf(repository: ModelRepository, model: string, { config }: Publishing): Promise<ModelConfig> {
  const text = config === undefined ? await storedText(repository, model, CONFIG_FILE) : await readFile(config, 'utf8');
  return text === undefined ? {} : parseModelConfig(text);
}

async function storedText(repository: ModelRepository, model: string, path: string): Promise<string | undefined> {
  return (await repository.tagged(model, path))?.text;
}

/** Holds the candidate against what is live, and against a request with a known answer; and compiles it. */
async function check(
  repository: ModelRepository,
  file: string,
  model: string,
  config: ModelConfig,
  modelFiles: ReadonlyMap<string, Content>,
  { golden }: Publishing,
): Promise<{ checked: Checked; compilation: Compilation }> {
  const names = [basename(file), ...(await externalFiles(file))];
  const contents = await Promise.all(names.map((path) => fileContent(join(dirname(file), path))));
  const bytes = contents.reduce((sum, { size }) => sum + size, 0);
  const source: VersionSource = {
    fetch: async () => ({ path: file, bytes, done() {} }),
    async read(name, path) {
      const given = modelFiles.get(path);
      return given === undefined ? repository.read(name, path) : bytesOf(given);
    },
  };
  const known = golden === undefined ? undefined : parseGolden(await readFile(golden, 'utf8'));
  const live = await liveOf(repository, model);
  const candidate = { id: { model, version: CANDIDATE }, source, config, golden: known };
  return withLoader(async (loader) => {
    const checked = await checkCandidate(loader, candidate, live);
    const golden = checked.golden === undefined ? known : parseGolden(checked.golden);
    const hashes: { [path: string]: string } = {};
    for (const [i, path] of names.entries()) hashes[path] = (await contents[i]?.sha256()) ?? '';
    const parts = { loader, compiler: new OrtCompiler(compileInChild), content: textContent };
    return { checked, compilation: await compileCandidate(parts, { ...candidate, golden }, basename(file), hashes) };
  });
}

async function liveOf(repository: ModelRepository, model: string): Promise<Omit<Candidate, 'golden'> | undefined> {
  const stored = await repository.find(model);
  const version = liveVersion(stored);
  return version === undefined ? undefined : { id: { model, version }, source: repository, config: stored.config };
}

async function filesOf(
  file: string,
  config: ModelConfig,
  checked: Checked,
  { golden, metrics }: Publishing,
): Promise<ReadonlyMap<string, Content>> {
  const files = new Map([[modelFileOf(config), await fileContent(file)]]);
  for (const path of await externalFiles(file)) files.set(path, await fileContent(join(dirname(file), path)));
  if (golden !== undefined) files.set(GOLDEN_FILE, await fileContent(golden));
  else if (checked.golden !== undefined) files.set(GOLDEN_FILE, textContent(checked.golden));
  if (metrics !== undefined) files.set('metrics.json', await fileContent(metrics));
  return files;
}

/** The single figures; curves and tables stay in the version's metrics.json. */
async function figuresIn(path: string | undefined): Promise<{ metrics?: object }> {
  if (path === undefined) return {};
  const figures = Object.entries(await objectIn(path)).filter(
    ([name, value]) => typeof value === 'number' && name !== 'version',
  );
  return { metrics: Object.fromEntries(figures) };
}

async function objectIn(path: string): Promise<object> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // Told below.
  }
  throw new Failure(`${path} is no JSON object`);
}

async function bytesOf(content: Content): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of content.open()) chunks.push(chunk);
  if (content.size > 64 * 1024 ** 2) throw new ModelRejected('a file of the model has more than 64 MiB');
  return new Uint8Array(Buffer.concat(chunks));
}
