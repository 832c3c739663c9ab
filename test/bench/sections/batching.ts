// What dynamic batching brings: one model with it and without it, turn by turn, in one server.

import { join } from 'node:path';
import { Failure } from '../../../functions/cli/failure.ts';
import { ensureVenv } from '../../../functions/cli/venv.ts';
import { type ServerProcess, startServer } from '../../setup/edges.ts';
import { makeModels } from '../../setup/models.ts';
import { madeRepository } from '../../setup/repository.ts';
import { digitsRequests, expectedScores, type Format, isClose, scoresOf } from '../digits.ts';
import { addDigits } from '../digits-copy.ts';
import { middle } from '../figures.ts';
import { type Hops, hopsOf, laneBetween } from '../lane.ts';
import { type Measured, measure, type Request } from '../load.ts';
import type { Context, Row, Section, Table } from '../section.ts';
import { type Answered, closedLoop } from '../wrk.ts';

const WIDTH = 1024;
const ROUNDS = 5;
const SECONDS = 2;
const CONCURRENCY = 16;
const DIGITS_CONCURRENCY = 32;

export default {
  name: 'batching',
  what: `a model of 16 matrix products, ${WIDTH} wide, and the digits, with and without dynamic batching`,
  async run(context): Promise<Table[]> {
    const { folder, remove } = await makeModels();
    try {
      return [
        { title: 'The matrix products, one row per request', rows: await benchBatching(folder, context) },
        {
          title: `The digits, one picture per request, ${DIGITS_CONCURRENCY} callers`,
          rows: await benchDigits(context),
        },
      ];
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
      const perSecondOf = (name: string): number => middle(measured[name] ?? [], 'perSecond');
      for (const [name, rounds] of Object.entries(measured)) {
        results.push({
          callers: concurrency,
          batching: name === 'merged' ? 'yes' : 'no',
          'requests/s': Math.round(perSecondOf(name)),
          'of without': Number((perSecondOf(name) / perSecondOf('single')).toFixed(2)),
          'median ms': Number(middle(rounds, 'medianMs').toFixed(2)),
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
function rawRequest(value: number): Request {
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

/** The digits in their lanes: with a hop to a child process, which merged requests share, and without one. */
async function benchDigits({ quick, progress, scratch }: Context): Promise<Row[]> {
  const repository = join(scratch, 'digits');
  const isolatedBy = await ensureVenv();
  addDigits(repository, 'inline');
  addDigits(repository, 'single', { isolatedBy });
  addDigits(repository, 'merged', { isolatedBy, config: 'dynamic_batching { }' });
  const server = await startServer({ MODEL_REPOSITORY: repository });
  try {
    const pathOf = (name: string): string => `/v2/models/${name}/infer`;
    const expected = await expectedScores();
    const rows: Row[] = [];
    for (const [format, request] of Object.entries(digitsRequests()) as [Format, Request][]) {
      const measured: { [name: string]: Answered[] } = { single: [], merged: [], inline: [] };
      const before = new Map<string, Hops>();
      for (const name of Object.keys(measured)) {
        const { bytes } = await server.call(pathOf(name), { method: 'POST', ...request });
        const scores = scoresOf(format, bytes, expected.length);
        if (!isClose(scores, expected)) throw new Failure(`${name} answered [${scores}]; expected [${expected}]`);
        before.set(name, await hopsOf(server.url, name));
      }
      for (let round = 0; round < (quick ? 1 : ROUNDS); round++) {
        for (const [name, rounds] of Object.entries(measured)) {
          progress(`${format}, ${name}, round ${round + 1}`);
          const post = { url: server.url + pathOf(name), ...request };
          rounds.push(await closedLoop(post, DIGITS_CONCURRENCY, quick ? 1 : SECONDS, scratch));
        }
      }
      const lanes = new Map<string, string>();
      for (const [name, hops] of before) lanes.set(name, laneBetween(hops, await hopsOf(server.url, name)));
      const perSecondOf = (name: string): number => middle(measured[name] ?? [], 'perSecond');
      for (const [name, rounds] of Object.entries(measured)) {
        rows.push({
          request: format,
          lane: lanes.get(name) ?? '',
          batching: name === 'merged' ? 'yes' : 'no',
          'requests/s': Math.round(perSecondOf(name)),
          'of isolated without': Number((perSecondOf(name) / perSecondOf('single')).toFixed(2)),
          'p50 ms': Number(middle(rounds, 'p50').toFixed(2)),
        });
      }
    }
    return rows;
  } finally {
    await server.close();
  }
}
