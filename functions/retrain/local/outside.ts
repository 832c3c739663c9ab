import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { textContent } from '../../adapters/content.ts';
import { DirectoryDataset } from '../../adapters/directory-dataset.ts';
import { DirectoryRepository } from '../../adapters/directory-repository.ts';
import { pictureOf } from '../../adapters/image-check.ts';
import type { ModelRepository } from '../../inference/ports.ts';
import type { Outside } from '../compose.ts';
import type { Places } from '../env.ts';
import { TarHeldOut } from '../held-out.ts';
import type { Notifier } from '../ports.ts';
import { Executions } from './executions.ts';

/** The places of the loop on one machine. */
export type LocalPlaces = Places & {
  /** Documents of the runs, which Step Functions keeps on AWS. */
  readonly executions: string;
  /** The folder of the lock that whoever trains holds. */
  readonly lock: string;
};

export type LocalOutside = Outside & { readonly starter: Executions };

/**
 * @param modelRepository a folder, or `s3://bucket/prefix`
 * @param datasets the folder that pictures are dropped into
 * @param work the folder of all that the loop keeps
 */
export function localPlaces(modelRepository: string, datasets: string, work: string): LocalPlaces {
  const below = (name: string): string => resolve(work, name);
  return {
    modelRepository,
    datasets: resolve(datasets),
    snapshots: below('snapshots'),
    staging: below('staging'),
    ledger: below('control/ledger'),
    decisions: below('control/decisions'),
    budget: below('control/budget'),
    executions: below('executions'),
    lock: below('lock'),
  };
}

/** Makes the folders of the places that are not there. */
export async function makeFolders({ modelRepository: _, ...folders }: LocalPlaces): Promise<void> {
  for (const folder of Object.values(folders)) await mkdir(folder, { recursive: true });
}

/** What the guards meet on one machine: folders, and whoever watches them. */
export function localOutside(places: LocalPlaces, models: ModelRepository, notifier: Notifier): LocalOutside {
  return {
    dataset: new DirectoryDataset(places.datasets, places.snapshots),
    models,
    snapshots: new DirectoryRepository(places.snapshots),
    ledger: new DirectoryRepository(places.ledger),
    budget: new DirectoryRepository(places.budget),
    heldOut: new TarHeldOut(models),
    starter: new Executions(places.executions),
    notifier,
    snapshotAt: (model, id) => `${join(places.snapshots, model, id)}/`,
    decode: pictureOf,
    content: textContent,
    now: () => new Date(),
  };
}
