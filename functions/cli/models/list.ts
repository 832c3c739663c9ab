import { bytesText } from '../../adapters/progress.ts';
import type { ModelRepository } from '../../inference/ports.ts';
import { parseRelease, RELEASE_FILE, type Release } from '../../inference/release.ts';
import { type Row, table } from '../table.ts';
import { type Common, openRepository } from './repository.ts';

/** Models that are looked at at the same time. */
const WIDTH = 16;

type Listed = {
  readonly model: string;
  readonly versions: readonly string[];
  readonly bytes: number;
  readonly release: Release | undefined;
  /** Why it can't be served. */
  readonly problem?: string;
};

export async function list(options: Common): Promise<void> {
  const { repository, location } = await openRepository(options);
  const models = await repository.models();
  const listed: Listed[] = [];
  for (let i = 0; i < models.length; i += WIDTH) {
    listed.push(...(await Promise.all(models.slice(i, i + WIDTH).map((model) => look(repository, model)))));
  }
  if (options.json) console.log(JSON.stringify(listed.map(summary)));
  else console.log(listed.length > 0 ? table(listed.map(asRow)) : `no models in ${location}`);
}

async function look(repository: ModelRepository, model: string): Promise<Listed> {
  const files = await repository.files(model);
  const bytes = Array.from(files.values()).reduce((sum, { size }) => sum + size, 0);
  try {
    const { versions, release } = await repository.find(model);
    return { model, versions, bytes, release: release === undefined ? undefined : parseRelease(release) };
  } catch (error) {
    return { model, versions: [], bytes, release: undefined, problem: (error as Error).message };
  }
}

function summary({ release, ...rest }: Listed): object {
  const { live, canary, pinned } = release ?? {};
  return { ...rest, live, canary, pinned, released: release !== undefined };
}

function asRow({ model, versions, bytes, release, problem }: Listed): Row {
  const last = release?.history?.at(-1);
  return {
    model,
    live: problem === undefined ? (release?.live ?? `${versions.at(-1) ?? 'none'} (newest)`) : 'unreadable',
    canary: release?.canary === undefined ? '' : `${release.canary.version} (${release.canary.weight * 100} %)`,
    versions: versions.length > 6 ? `${versions.length}: … ${versions.slice(-3).join(' ')}` : versions.join(' '),
    size: bytesText(bytes),
    '': release?.pinned ? 'pinned' : '',
    'last change':
      problem ?? (last === undefined ? `no ${RELEASE_FILE}` : `${last.action} ${last.version}, ${last.by}, ${last.at}`),
  };
}
