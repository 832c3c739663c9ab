// What dynamic batching brings: one model with it and without it, turn by turn, in one server.

import { Failure } from '../../../functions/cli/failure.ts';
import { type ServerProcess, startServer } from '../../setup/edges.ts';
import { makeModels } from '../../setup/models.ts';
import { madeRepository } from '../../setup/repository.ts';
import { type Measured, measure, median } from '../load.ts';
import type { Context, Row, Section, Table } from '../section.ts';

const WIDTH = 1024;
const ROUNDS = 5;
const SECONDS = 2;
const CONCURRENCY = 16;

export default {
  name: 'batching',
  what: `a model of 16 matrix products, ${WIDTH} wide, with and without dynamic batching`,
  async run(context): Promise<Table[]> {
    const { folder, remove } = await makeModels();
    try {
      return [{ title: 'One row per request', rows: await benchBatching(folder, context) }];
    } finally {
      remove();
    }
  },
} satisfies Section;

/** @param models the folder of the models that test/models/make_models.py makes */
async function benchBatching(models: string, { quick, progress }: Context): Promise<Row[]> {
  const { folder, model, remove } = madeRepository(() => models);
  const tensor = (name: string): string => `{ name: "${name}" data_type: TYPE_FP32 dims: [ ${WIDTH} ] }`;
  model('merged', 'reflections', 'max_batch_size: 16 dynamic_batching { }');
  model('single', 'reflections', `max_batch_size: 16 input [ ${tensor('INPUT0')} ] output [ ${tensor('OUTPUT0')} ]`);
  const server = await startServer({ MODEL_REPOSITORY: folder });
  try {
    await check(server);
    const results: Row[] = [];
    for (const concurrency of [1, CONCURRENCY]) {
      const measured: { [name: string]: Measured[] } = { merged: [], single: [] };
      for (let round = 0; round < (quick ? 1 : ROUNDS); round++) {
        progress(`${concurrency} callers, round ${round + 1}`);
        for (const [name, rounds] of Object.entries(measured)) {
          const url = `${server.url}/v2/models/${name}/infer`;
          rounds.push(await measure({ url, ...rawRequest(round) }, concurrency, quick ? 0.3 : SECONDS));
        }
      }
      const perSecondOf = (name: string): number => median((measured[name] ?? []).map(({ perSecond }) => perSecond));
      for (const [name, rounds] of Object.entries(measured)) {
        results.push({
          callers: concurrency,
          batching: name === 'merged' ? 'yes' : 'no',
          'requests/s': Math.round(perSecondOf(name)),
          'of without': Number((perSecondOf(name) / perSecondOf('single')).toFixed(2)),
          'median ms': Number(median(rounds.map(({ medianMs }) => medianMs)).toFixed(2)),
        });
      }
    }
    return results;
  } finally {
    await server.close();
    remove();
  }
}

/** One row as a raw request: a body of nothing but its bytes. */
function rawRequest(value: number): { body: Uint8Array; headers: { [name: string]: string } } {
  const row = new Float32Array(WIDTH).fill(value);
  return { body: new Uint8Array(row.buffer), headers: { 'inference-header-content-length': '0' } };
}

/** The model is the identity: many requests at once must each get their own row back. */
async function check(server: ServerProcess): Promise<void> {
  for (const name of ['merged', 'single']) {
    const values = Array.from({ length: 64 }, (_, i) => i);
    const replies = await Promise.all(
      values.map((value) => server.call(`/v2/models/${name}/infer`, { ...rawRequest(value) })),
    );
    for (const [i, { bytes }] of replies.entries()) {
      const first = bytes.readFloatLE(bytes.length - WIDTH * Float32Array.BYTES_PER_ELEMENT);
      if (Math.abs(first - i) > 0.05) throw new Failure(`${name} answered ${first} to ${i}`);
    }
  }
}
