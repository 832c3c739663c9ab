import { decodeImage } from '../../adapters/image-file.ts';
import { OrtCompiler } from '../../adapters/onnxruntime-compiler.ts';
import { compileInChild } from '../../adapters/worker-compile.ts';
import type { ModelLoader } from '../../inference/model-loader.ts';
import { loopOf } from '../compose.ts';
import { Judge, type JudgeParts } from '../judge.ts';
import { Promoter } from '../promote.ts';
import { openStores } from '../stores.ts';
import type { LocalOutside, LocalPlaces } from './outside.ts';
import type { Show } from './progress.ts';
import type { TrainingProgram } from './training-program.ts';
import { trainingSettings } from './training-settings.ts';
import { Watch } from './watch.ts';
import { Workflow } from './workflow.ts';

/** What this machine trains and judges with. */
export type Means = {
  readonly program: TrainingProgram;
  /** What a version's lineage says in place of a container image. */
  readonly image: () => Promise<string>;
  /** Loads models as the server would, while they are judged. */
  readonly withLoader: <T>(work: (loader: ModelLoader) => Promise<T>) => Promise<T>;
  readonly show: Show;
  /** Whether what the training program prints is shown line by line; else it has the terminal. */
  readonly byLine: boolean;
  /** The folder for models from S3. */
  readonly cache: string;
};

/** The loop on one machine: the guards, the judge and the promoter of AWS, around folders and child processes. */
export function watchOf(places: LocalPlaces, outside: LocalOutside, means: Means): Watch {
  const { withLoader, cache, show } = means;
  const { models, starter: executions, now } = outside;
  const loop = loopOf(outside);
  const stores = openStores(places, cache);
  const compiler = new OrtCompiler(compileInChild);
  const told: JudgeParts['told'] = ({ model }, text) => show({ event: 'compiled', model, text });
  const workflow = new Workflow({
    ...means,
    executions,
    judge: (run) =>
      withLoader((loader) => new Judge({ ...stores, loader, compiler, told, decode: decodeImage, now }).judge(run)),
    promoter: new Promoter({ ...stores, now }),
    conclude: loop.conclude,
    settings: (model) => trainingSettings(models, model),
    staging: places.staging,
  });
  return new Watch({ ...loop, datasets: places.datasets, executions, workflow, show });
}
