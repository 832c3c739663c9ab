import { join } from 'node:path';
import { modelRepository } from '../adapters/model-repository.ts';
import type { ModelRepository } from '../inference/ports.ts';
import { isModelName } from '../protocol/names.ts';
import { Decisions } from './decisions.ts';
import type { Places } from './env.ts';
import { type HeldOut, TarHeldOut } from './held-out.ts';
import { StagedModel } from './staged-model.ts';

/** What judging and promoting read and write. */
export type Stores = {
  readonly models: ModelRepository;
  readonly heldOut: HeldOut;
  readonly decisions: Decisions;
  /** `snapshots/`, where `<model>/<id>/manifest.json` is. */
  readonly snapshots: ModelRepository;
  /** What a job has left. */
  readonly staged: (model: string, job: string) => StagedModel;
};

/** As SageMaker has the names of its jobs; it becomes a part of paths. */
const JOB = /^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$/;
/** Of the disk: of the live version's folder and the new one's each. */
const DISK_SHARE = 0.45;

/**
 * @param places each a folder, or `s3://bucket/prefix`
 * @param cache the folder for models from S3
 */
export function openStores(
  places: Pick<Places, 'modelRepository' | 'decisions' | 'snapshots' | 'staging'>,
  cache: string,
): Stores {
  const open = (location: string, name: string): ModelRepository => {
    const found = modelRepository(location, { folder: join(cache, name), share: DISK_SHARE });
    if (found === undefined) throw new Error(`'${location}' is no place; expected s3://bucket/prefix`);
    return found;
  };
  const models = open(places.modelRepository, 'models');
  return {
    models,
    heldOut: new TarHeldOut(models),
    decisions: new Decisions(open(places.decisions, 'decisions')),
    snapshots: open(places.snapshots, 'snapshots'),
    staged(model, job) {
      if (!isModelName(model) || !JOB.test(job)) throw new Error(`'${model}/${job}' is no training job's output`);
      return new StagedModel(open(`${places.staging}/${model}/${job}`, 'staged'));
    },
  };
}
