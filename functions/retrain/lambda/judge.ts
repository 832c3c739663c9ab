// The Lambda function that decides whether what was trained is to serve. It runs in the serving image.

import { decodeImage } from '../../adapters/image-file.ts';
import { InlineEngine } from '../../adapters/inline-engine.ts';
import { jsonLog } from '../../adapters/json-log.ts';
import { cpusOf } from '../../adapters/lambda-cpu.ts';
import { OrtSession } from '../../adapters/onnxruntime.ts';
import { OrtCompiler } from '../../adapters/onnxruntime-compiler.ts';
import { ModelLoader } from '../../inference/model-loader.ts';
import { type ToldDecision, toldOf } from '../decisions.ts';
import { readPlaces } from '../env.ts';
import { Judge, type Trained } from '../judge.ts';
import { openStores } from '../stores.ts';
import type { Judged, TrainedRun } from '../workflow.ts';

/** As the serving function has it without a setting. */
const DEFAULT_MAX_BATCH_SIZE = 4;

const log = jsonLog((line) => process.stdout.write(line));
const stores = openStores(readPlaces(process.env), '/tmp/models');
const cpus = cpusOf(Number(process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE));
// Nothing but the function's own timeout ends a model that hangs: then nothing is promoted.
const loader = new ModelLoader(new InlineEngine(cpus), log, {
  defaultMaxBatchSize: DEFAULT_MAX_BATCH_SIZE,
  maxBatcherQueue: 0,
});
const compiler = new OrtCompiler(OrtSession.compile);
const told = ({ model, id, job }: Trained, text: string): void => log.info({ model, id, job }, text);
const judge = new Judge({ ...stores, loader, compiler, told, decode: decodeImage, now: () => new Date() });

export async function handler(run: TrainedRun): Promise<Judged & ToldDecision> {
  const decision = await judge.judge(run);
  const { outcome, code, text, live } = decision;
  const { model, id, job } = run;
  log.info({ model, id, job, outcome, code, live }, text);
  return toldOf(decision);
}
