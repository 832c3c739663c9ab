// What people ask of a server all day: right requests of both kinds in both lanes, wrong ones, and now and then an explanation.

import { digitsRequests, type Format, isClose, scoresOf } from '../digits.ts';

export type Lane = 'inline' | 'isolated';
export type Ask = {
  readonly path: string;
  readonly body: Uint8Array;
  readonly headers: { [name: string]: string };
  readonly status: number;
  /** Undefined for what is refused, and for explanations, which take hundreds of runs. */
  readonly timed: { readonly lane: Lane; readonly format: Format } | undefined;
};

/** Of a hundred requests. */
const SHARES = { wrong: 8, JSON: 32 };
const ISOLATED_SHARE = 1 / 3;
const EXPLAIN_EVERY = 500;

const requests = digitsRequests();

/**
 * The n-th request, always the same one.
 * @param random from 0 to below 1
 */
export function askOf(n: number, random: () => number): Ask {
  const lane = random() < ISOLATED_SHARE ? 'isolated' : 'inline';
  if (n % EXPLAIN_EVERY === EXPLAIN_EVERY - 1) {
    return { path: `/v2/models/${lane}/explain`, ...requests.JSON, status: 200, timed: undefined };
  }
  const drawn = random() * 100;
  if (drawn < SHARES.wrong) return { ...(WRONG[n % WRONG.length] as Ask), timed: undefined };
  const format = drawn < SHARES.wrong + SHARES.JSON ? 'JSON' : 'binary';
  return { path: inferPath(lane), ...requests[format], status: 200, timed: { lane, format } };
}

/** @returns what is wrong with an answer */
export function wrongWith(
  { path, status, timed }: Ask,
  answer: { readonly status: number; readonly bytes: Buffer },
  expected: readonly number[],
): string | undefined {
  if (answer.status !== status) return `${path} answered ${answer.status}; expected ${status}`;
  if (timed === undefined) return undefined;
  const scores = scoresOf(timed.format, answer.bytes, expected.length);
  return isClose(scores, expected) ? undefined : `${path} answered [${scores}]; expected [${expected}]`;
}

function inferPath(model: string): string {
  return `/v2/models/${model}/infer`;
}

const json = (value: object): Uint8Array => Buffer.from(JSON.stringify(value));
const misshapen = { name: 'image', datatype: 'FP32', shape: [1, 3, 32, 32], data: [1, 2, 3] };

const WRONG: readonly Omit<Ask, 'timed'>[] = [
  { path: inferPath('inline'), body: Buffer.from('{"inputs":['), headers: {}, status: 400 },
  { path: inferPath('isolated'), body: json({ inputs: [misshapen] }), headers: {}, status: 400 },
  { path: inferPath('nobody'), ...requests.JSON, status: 404 },
  {
    path: inferPath('inline'),
    ...requests.binary,
    headers: { ...requests.binary.headers, 'inference-header-content-length': '999999' },
    status: 400,
  },
];
