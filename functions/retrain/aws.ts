import { textContent } from '../adapters/content.ts';
import { pictureOf } from '../adapters/image-check.ts';
import { modelRepository } from '../adapters/model-repository.ts';
import { S3Dataset } from '../adapters/s3-dataset.ts';
import { parseS3Location, type S3Location } from '../adapters/s3-store.ts';
import { SnsNotifier } from '../adapters/sns-notifier.ts';
import { StepFunctionsStarter } from '../adapters/stepfunctions-starter.ts';
import type { ModelRepository } from '../inference/ports.ts';
import type { Outside } from './compose.ts';
import type { Places } from './env.ts';
import { TarHeldOut } from './held-out.ts';

export type AwsOutside = Outside & { readonly starter: StepFunctionsStarter };

export type AwsReach = {
  /** ARN of the state machine of a model; undefined for one that is not trained there. */
  readonly stateMachineOf: (model: string) => string | undefined;
  /** ARN of the SNS topic. */
  readonly topic: string;
};

/**
 * What the guards meet on AWS.
 * @param cache the folder for models from S3
 */
export function awsOutside(places: Places, { stateMachineOf, topic }: AwsReach, cache: string): AwsOutside {
  const open = (url: string): ModelRepository => {
    locationOf(url);
    return modelRepository(url, { folder: cache, share: 1 }) as ModelRepository;
  };
  const models = open(places.modelRepository);
  return {
    dataset: new S3Dataset(locationOf(places.datasets), locationOf(places.snapshots)),
    models,
    snapshots: open(places.snapshots),
    ledger: open(places.ledger),
    budget: open(places.budget),
    heldOut: new TarHeldOut(models),
    starter: new StepFunctionsStarter(stateMachineOf),
    notifier: new SnsNotifier(topic),
    snapshotAt: (model, id) => `${places.snapshots.replace(/\/+$/, '')}/${model}/${id}/`,
    decode: pictureOf,
    content: textContent,
    now: () => new Date(),
  };
}

/** @throws Error for what is no place in S3 */
function locationOf(url: string): S3Location {
  const location = parseS3Location(url);
  if (location === undefined) throw new Error(`'${url}' is no place in S3; expected s3://bucket/prefix`);
  return location;
}
