import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type Client, LOCAL_EDGES } from '../setup/edges.ts';
import { madeRepository } from '../setup/repository.ts';
import { identityInput, infer, type JsonTensor } from '../setup/requests.ts';

const WIDTH = 1024;
const { folder, model, remove } = madeRepository(() => inject('repository'));

beforeAll(() => {
  // Long enough that requests which are sent together come together, also on a busy machine.
  const patient = (preferred: number): string =>
    `max_batch_size: 8 dynamic_batching { preferred_batch_size: [ ${preferred} ] max_queue_delay_microseconds: 20000000 }`;
  model('merged', 'reflections', patient(8));
  model('small', 'identity_fp32', patient(4));
  model('words', 'identity_bytes', patient(4));
  model('lookup', 'lookup', patient(4));
  model('unhurried', 'identity_fp32', 'max_batch_size: 8 dynamic_batching { max_queue_delay_microseconds: 600000000 }');
  model('eager', 'reflections', 'max_batch_size: 16 dynamic_batching { }');
  model('guessed', 'reflections', '');
  model('running_sum', 'running_sum', '');
  model('told', 'running_sum', patient(2));
});
afterAll(remove);

/** One row whose elements are all `value`. */
const row = (value: number, width: number): JsonTensor[] => identityInput('FP32', [1, width], Array(width).fill(value));

describe.each(LOCAL_EDGES)('dynamic batching, $name', (edge) => {
  let client: Client;
  beforeAll(async () => {
    client = await edge.open({ MODEL_REPOSITORY: folder });
  });
  afterAll(() => client.close());

  const data = ({ text }: { text: string }): unknown[] => JSON.parse(text).outputs[0].data;
  const statistics = async (name: string) =>
    JSON.parse((await client.call(`/v2/models/${name}/stats`)).text).model_stats[0];
  /** How often each batch size was run. */
  const batches = async (name: string): Promise<[number, number][]> =>
    (await statistics(name)).batch_stats.map((entry: { batch_size: number; compute_infer: { count: number } }) => [
      entry.batch_size,
      entry.compute_infer.count,
    ]);

  test('requests that come together run as one, and each gets its own rows', async () => {
    const values = [1, 2, 3, 4, 5, 6, 7, 8];
    const replies = await Promise.all(values.map((value) => infer(client, 'merged', row(value, WIDTH))));
    for (const [i, reply] of replies.entries()) {
      expect(data(reply)).toHaveLength(WIDTH);
      expect(data(reply)[0]).toBeCloseTo(values[i] as number, 2);
    }
    expect(await statistics('merged')).toMatchObject({
      inference_count: 8,
      execution_count: 1,
      inference_stats: { success: { count: 8 }, compute_infer: { count: 8 } },
    });
    expect(await batches('merged')).toEqual([[8, 1]]);
  });

  test('only requests of the same inner shape run together', async () => {
    const widths = [2, 3, 2, 3, 2, 3, 2, 3];
    const replies = await Promise.all(widths.map((width, i) => infer(client, 'small', row(i, width))));
    expect(replies.map(data)).toEqual(widths.map((width, i) => Array(width).fill(i)));
    expect(await batches('small')).toEqual([[4, 2]]);
  });

  test('requests of several rows, and of text', async () => {
    const texts = [['one'], ['two', 'three'], ['four']];
    const replies = await Promise.all(
      texts.map((words) => infer(client, 'words', identityInput('BYTES', [words.length, 1], words))),
    );
    expect(replies.map(data)).toEqual(texts);
    expect(await batches('words')).toEqual([[4, 1]]);
  });

  test('a request that the model refuses is refused alone', async () => {
    const replies = await Promise.all(
      [1, 2, 77, 4].map((index) => infer(client, 'lookup', identityInput('INT64', [1, 1], [index]))),
    );
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 400, 200]);
    expect(replies.filter(({ status }) => status === 200).map(data)).toEqual([[10], [20], [40]]);
    expect(await statistics('lookup')).toMatchObject({ inference_count: 3, inference_stats: { fail: { count: 1 } } });
  });

  test('a request whose time is up leaves the queue; the others stay', async () => {
    const late = infer(client, 'unhurried', row(1, 2), { parameters: { timeout: 100_000 } });
    const others = Array.from({ length: 6 }, (_, i) => infer(client, 'unhurried', row(i, 2)));
    const { status, text } = await late;
    expect([status, JSON.parse(text).error]).toEqual([504, expect.stringMatching(/did not answer within \d+ ms$/)]);
    const last = [6, 7].map((value) => infer(client, 'unhurried', row(value, 2)));
    expect((await Promise.all([...others, ...last])).map(({ status }) => status)).toEqual(Array(8).fill(200));
    expect(await batches('unhurried')).toEqual([[8, 1]]);
  });

  test('without a delay, what waits while the model computes runs together', async () => {
    const replies = await Promise.all(Array.from({ length: 48 }, (_, i) => infer(client, 'eager', row(i, WIDTH))));
    for (const [i, reply] of replies.entries()) expect(Math.abs((data(reply)[0] as number) - i)).toBeLessThan(0.05);
    const { inference_count, execution_count } = await statistics('eager');
    expect(inference_count).toBe(48);
    expect(execution_count).toBeLessThan(48);
    const { text } = await client.call('/metrics');
    expect(text).toContain(`nv_inference_exec_count{model="eager",version="1"} ${execution_count}`);
  });

  test('a model without config.pbtxt is batched only where its rows turn out to be independent', async () => {
    const config = async (name: string) => JSON.parse((await client.call(`/v2/models/${name}/config`)).text);
    expect(await config('guessed')).toHaveProperty('dynamic_batching');
    expect(await config('running_sum')).not.toHaveProperty('dynamic_batching');
    const replies = await Promise.all(Array.from({ length: 32 }, () => infer(client, 'running_sum', row(1, 2))));
    expect(replies.map(data)).toEqual(Array(32).fill([1, 1]));
  });

  test('what config.pbtxt says is done, also where it is wrong', async () => {
    const replies = await Promise.all([1, 1].map((value) => infer(client, 'told', row(value, 2))));
    // Whichever of the two came first.
    expect(replies.map(data).sort()).toEqual([
      [1, 1],
      [2, 2],
    ]);
  });
});
