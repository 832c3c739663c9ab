// The Lambda function that makes what was judged a version, and the version live. It alone may write where models are.

import { readPlaces } from '../env.ts';
import { Promoter, type Promotion } from '../promote.ts';
import { openStores } from '../stores.ts';
import type { TrainedRun } from '../workflow.ts';

const promoter = new Promoter({ ...openStores(readPlaces(process.env), '/tmp/models'), now: () => new Date() });

export async function handler(run: TrainedRun): Promise<Promotion> {
  const promotion = await promoter.promote(run);
  const { model, id, job } = run;
  console.log(JSON.stringify({ msg: promotion.text, model, id, job, ...promotion }));
  return promotion;
}
