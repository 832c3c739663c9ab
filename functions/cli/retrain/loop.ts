import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { SqsFailedRuns } from '../../adapters/sqs-failed-runs.ts';
import type { ModelRepository } from '../../inference/ports.ts';
import { awsOutside } from '../../retrain/aws.ts';
import { type Loop, loopOf, type Outside } from '../../retrain/compose.ts';
import { LedgerFailedRuns } from '../../retrain/local/failed-runs.ts';
import { Lock } from '../../retrain/local/lock.ts';
import { type LocalPlaces, localOutside, localPlaces } from '../../retrain/local/outside.ts';
import type { FailedRuns, Notifier, Stopper } from '../../retrain/ports.ts';
import { deployedOutput, deployedOutputs } from '../deployed.ts';
import { Misuse } from '../failure.ts';
import { type Common, openRepository } from '../models/repository.ts';
import { outcomeText } from './screen.ts';

/** The options of every command about the loop. */
export type Looking = Common & { readonly datasets?: string; readonly work?: string };

/** The loop of a folder or of a deployment. */
export type Opened = {
  readonly outside: Outside;
  readonly loop: Loop;
  readonly stopper: Stopper;
  readonly failed: FailedRuns;
  /** Of models with data or versions. */
  readonly models: () => Promise<readonly string[]>;
  /** What is to be done for a run to go on; undefined where nothing is. */
  readonly hint: () => Promise<string | undefined>;
};

export const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'serverless-onnx');
const INSTEAD = 'a deployment of a model with a training.json';
export const DATASETS = 'datasets';
const WORK = '.retrain';
/** On stderr, so that what a command was asked for is by itself. */
const TOLD: Notifier = {
  async notify(_, text) {
    console.error(outcomeText(text));
  },
};

/** @param changes what differs from the loop as it is by itself */
export async function openLoop(options: Looking, changes: Pick<Outside, 'quietSeconds'> = {}): Promise<Opened> {
  return options.deployed ? deployedLoop(options, changes) : folderLoop(options, changes);
}

/** Where the loop of a folder is. @throws Misuse */
export async function placesOf(options: Looking): Promise<{ places: LocalPlaces; repository: ModelRepository }> {
  const { location, repository } = await openRepository(options);
  const isFolder = !location.startsWith('s3://');
  const places = localPlaces(
    isFolder ? resolve(location) : location,
    options.datasets ?? DATASETS,
    options.work ?? WORK,
  );
  return { places, repository };
}

async function folderLoop(options: Looking, changes: Pick<Outside, 'quietSeconds'>): Promise<Opened> {
  const { places, repository } = await placesOf(options);
  const outside = { ...localOutside(places, repository, TOLD), ...changes };
  const loop = loopOf(outside);
  const models = modelsOf(outside);
  return {
    outside,
    loop,
    stopper: outside.starter,
    failed: new LedgerFailedRuns(loop.ledger, models),
    models,
    async hint() {
      return (await new Lock(places.lock).holder()) === undefined ? 'npm run retrain -- watch trains' : undefined;
    },
  };
}

async function deployedLoop(options: Looking, changes: Pick<Outside, 'quietSeconds'>): Promise<Opened> {
  const second = (['repository', 'datasets', 'work'] as const).find((option) => options[option] !== undefined);
  if (second !== undefined) throw new Misuse(`--deployed and --${second} are both given; expected one`);
  const output = (name: string): Promise<string> => deployedOutput(name, INSTEAD);
  const bucket = `s3://${await output('ModelBucket')}`;
  const places = {
    modelRepository: `${bucket}/models`,
    datasets: `s3://${await output('DatasetBucket')}/datasets`,
    snapshots: `${bucket}/snapshots`,
    staging: `${bucket}/staging`,
    ledger: `${bucket}/control/ledger`,
    decisions: `${bucket}/control/decisions`,
    budget: `${bucket}/control/budget`,
  };
  const outputs = await deployedOutputs(INSTEAD);
  // CloudFormation's names have letters and digits alone; a deployment of two models that differ in others is refused.
  const stateMachineOf = (model: string) => outputs(`StateMachine${model.replace(/[^A-Za-z0-9]/g, '')}`);
  const outside = {
    ...awsOutside(places, { stateMachineOf, topic: await output('RetrainingTopic') }, CACHE),
    ...changes,
  };
  return {
    outside,
    loop: loopOf(outside),
    stopper: outside.starter,
    failed: new SqsFailedRuns(await output('FailedRuns')),
    models: modelsOf(outside),
    hint: async () => undefined,
  };
}

function modelsOf({ dataset, models }: Outside): () => Promise<readonly string[]> {
  return async () => [...new Set([...(await dataset.models()), ...(await models.models())])].sort();
}
