import { textContent } from '../../adapters/content.ts';
import { pictureOf } from '../../adapters/image-check.ts';
import { modelRepository } from '../../adapters/model-repository.ts';
import { S3Dataset } from '../../adapters/s3-dataset.ts';
import { parseS3Location, type S3Location } from '../../adapters/s3-store.ts';
import { SnsNotifier } from '../../adapters/sns-notifier.ts';
import { StepFunctionsStarter } from '../../adapters/stepfunctions-starter.ts';
import type { ModelRepository } from '../../inference/ports.ts';
import { type Loop, loopOf } from '../compose.ts';
import { readPlaces, readReach } from '../env.ts';
import { TarHeldOut } from '../held-out.ts';

let made: Loop | undefined;

/** The guards as they are on AWS, made once in an execution environment. */
export function loop(): Loop {
  made ??= make();
  return made;
}

function make(): Loop {
  const places = readPlaces(process.env);
  const { stateMachines, topic } = readReach(process.env);
  const models = repositoryAt(places.modelRepository);
  return loopOf({
    dataset: new S3Dataset(locationOf(places.datasets), locationOf(places.snapshots)),
    models,
    snapshots: repositoryAt(places.snapshots),
    ledger: repositoryAt(places.ledger),
    budget: repositoryAt(places.budget),
    heldOut: new TarHeldOut(models),
    starter: new StepFunctionsStarter(stateMachines),
    notifier: new SnsNotifier(topic),
    snapshotAt: (model, id) => `${places.snapshots.replace(/\/+$/, '')}/${model}/${id}/`,
    decode: pictureOf,
    content: textContent,
    now: () => new Date(),
  });
}

/** @throws Error for what is no place in S3 */
function locationOf(url: string): S3Location {
  const location = parseS3Location(url);
  if (location === undefined) throw new Error(`'${url}' is no place in S3; expected s3://bucket/prefix`);
  return location;
}

function repositoryAt(url: string): ModelRepository {
  locationOf(url);
  return modelRepository(url, { folder: '/tmp/models', share: 1 }) as ModelRepository;
}
