import { ByteProgress } from '../../adapters/progress.ts';
import type { Content, ModelRepository } from '../../inference/ports.ts';
import { parseRelease, publishedFiles, RELEASE_FILE } from '../../inference/release.ts';
import { isVersion } from '../../protocol/names.ts';
import { Failure } from '../failure.ts';
import { table } from '../table.ts';
import { type Common, openRepository } from './repository.ts';

type Verdict = { readonly model: string; readonly version: string; readonly file: string; readonly state: State };
type State = 'intact' | 'changed' | 'missing' | 'not published';

/** Reads every file of the models' versions again, and holds it against what was published. */
export async function verify(models: readonly string[], options: Common): Promise<void> {
  const { repository } = await openRepository(options);
  const names = models.length > 0 ? models : await repository.models();
  const all = await Promise.all(names.map(async (model) => ({ model, files: await repository.files(model) })));
  const none = all.find(({ files }) => files.size === 0);
  if (none !== undefined) throw new Failure(`'${none.model}' is not found`);
  const contents = all.flatMap(({ files }) => [...files.values()]);
  const progress = new ByteProgress(
    'verifying',
    contents.reduce((sum, { size }) => sum + size, 0),
  );
  const verdicts: Verdict[] = [];
  try {
    for (const { model, files } of all) verdicts.push(...(await verifyModel(repository, model, files, progress)));
  } finally {
    progress.stop();
  }
  if (options.json) console.log(JSON.stringify(verdicts));
  else console.log(table(verdicts));
  const bad = verdicts.filter(({ state }) => state === 'changed' || state === 'missing');
  if (bad.length > 0) {
    throw new Failure(
      `${bad.length} of ${verdicts.length} files are not what was published; such a version is not loaded`,
    );
  }
}

async function verifyModel(
  repository: ModelRepository,
  model: string,
  files: ReadonlyMap<string, Content>,
  progress: ByteProgress,
): Promise<Verdict[]> {
  const text = (await repository.tagged(model, RELEASE_FILE))?.text;
  const release = text === undefined ? undefined : parseRelease(text);
  const { versions } = await repository.find(model);
  const verdicts: Verdict[] = [];
  for (const version of versions.filter(isVersion)) {
    const published = release && publishedFiles(release, version);
    if (published === undefined) {
      verdicts.push({ model, version, file: 'all', state: 'not published' });
      continue;
    }
    for (const [file, sha256] of Object.entries(published)) {
      const content = files.get(`${version}/${file}`);
      const found = content && (await progress.watch(content).sha256());
      const state = found === undefined ? 'missing' : found === sha256 ? 'intact' : 'changed';
      verdicts.push({ model, version, file, state });
    }
  }
  return verdicts;
}
