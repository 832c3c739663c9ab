// What a binary body costs between Lambda's event and the model's tensor, and back, beside base64 itself.

import { fromResponse, toRequest } from '../../../functions/adapters/api-gateway.ts';
import { plainResponse } from '../../../functions/adapters/plain-fetch.ts';
import { readBody } from '../../../functions/http/body.ts';
import { alternate } from '../alternate.ts';
import type { Row, Section } from '../section.ts';

const ROUNDS = 40;

export default {
  name: 'lambda-events',
  what: 'A binary body of a Lambda event, in and out, beside base64 itself',
  run: async ({ quick }) => [{ title: 'Milliseconds for each body', rows: await measured(quick ? 2 : ROUNDS) }],
} satisfies Section;

async function measured(rounds: number): Promise<Row[]> {
  const results: Row[] = [];
  for (const megabytes of [1, 4]) {
    const bytes = Buffer.alloc(megabytes * 1e6, 'a tensor');
    const text = bytes.toString('base64');
    const event = { httpMethod: 'POST', path: '/', multiValueHeaders: {}, body: text, isBase64Encoded: true };
    const eventText = JSON.stringify(event);
    const headers = { 'content-type': 'application/octet-stream' };
    const parts = [bytes.subarray(0, 256), bytes.subarray(256)];
    const incoming = (): Promise<Uint8Array> => readBody(toRequest(event, { awsRequestId: 'a' }), 1e8);
    const outgoing = async (): Promise<string> =>
      (await fromResponse(plainResponse(ReadableStream.from(parts), { status: 200, headers }))).body;
    if (!bytes.equals(await incoming()) || (await outgoing()) !== text) throw new Error('not the bytes of the event');
    const ms = await alternate(
      [
        () => Buffer.from(text, 'base64'),
        incoming,
        () => bytes.toString('base64'),
        outgoing,
        () => JSON.parse(eventText),
        () => JSON.stringify(event),
      ],
      rounds,
      1,
    );
    const [decode = 0, into = 0, encode = 0, out = 0, parse = 0, stringify = 0] = ms;
    const row = (way: string, base64: number, all: number, json: number): void => {
      results.push({
        MB: megabytes,
        way,
        'base64, ms': Number(base64.toFixed(2)),
        'ours with it, ms': Number(all.toFixed(2)),
        ratio: Number((all / base64).toFixed(2)),
        "Lambda's JSON, ms": Number(json.toFixed(2)),
      });
    };
    row('in', decode, into, parse);
    row('out', encode, out, stringify);
  }
  return results;
}
