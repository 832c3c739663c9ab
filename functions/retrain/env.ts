import { ALLOCATION } from '../adapters/session-memory.ts';

/** Where the functions of retraining find things: infra/ writes it (`placeVariables`), the functions read it. Each `s3://bucket/prefix`. */
export type Places = {
  /** `models/`: what serves, `training.json`, `evaluation.tar`. */
  readonly modelRepository: string;
  /** `datasets/`: what people upload. */
  readonly datasets: string;
  /** `snapshots/`: what jobs train on. */
  readonly snapshots: string;
  /** `staging/`: what jobs have made, `<model>/<job>/output/model/`. */
  readonly staging: string;
  /** `control/ledger/`: what became of each upload, and each model's queue. */
  readonly ledger: string;
  /** `control/decisions/`: what the judge has found. */
  readonly decisions: string;
  /** `control/budget/`: the jobs of each day. */
  readonly budget: string;
};

/** What the functions that start executions and tell people need besides. */
export type Reach = {
  /** ARNs of the state machines, by model: a model that has none is not trained here. */
  readonly stateMachines: { readonly [model: string]: string };
  /** ARN of the SNS topic. */
  readonly topic: string;
};

type Environment = { readonly [name: string]: string | undefined };

const PLACES: { readonly [place in keyof Places]: string } = {
  modelRepository: 'MODEL_REPOSITORY',
  datasets: 'DATASETS',
  snapshots: 'SNAPSHOTS',
  staging: 'STAGING',
  ledger: 'LEDGER',
  decisions: 'DECISIONS',
  budget: 'BUDGET',
};

/** @throws Error for a variable that is missing: the deployment is not whole */
export function readPlaces(env: Environment): Places {
  return {
    modelRepository: required(env, PLACES.modelRepository),
    datasets: required(env, PLACES.datasets),
    snapshots: required(env, PLACES.snapshots),
    staging: required(env, PLACES.staging),
    ledger: required(env, PLACES.ledger),
    decisions: required(env, PLACES.decisions),
    budget: required(env, PLACES.budget),
  };
}

/** @throws Error for a variable that is missing: the deployment is not whole */
export function readReach(env: Environment): Reach {
  return {
    stateMachines: JSON.parse(required(env, 'STATE_MACHINES')) as Reach['stateMachines'],
    topic: required(env, 'NOTIFICATION_TOPIC'),
  };
}

/** The variables that `readPlaces` reads, and those that a process with ONNX Runtime needs before any of our code runs. */
export function placeVariables(places: Places): { [name: string]: string } {
  const entries = Object.entries(PLACES).map(([place, name]) => [name, places[place as keyof Places]]);
  return { ...Object.fromEntries(entries), ...ALLOCATION };
}

/** The variables that `readReach` reads. */
export function reachVariables({ stateMachines, topic }: Reach): { [name: string]: string } {
  return { STATE_MACHINES: JSON.stringify(stateMachines), NOTIFICATION_TOPIC: topic };
}

function required(env: Environment, name: string): string {
  const found = env[name];
  if (found === undefined || found === '') throw new Error(`${name} is not set; expected what infra/ writes`);
  return found;
}
