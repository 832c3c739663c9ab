import { Agent, request } from 'node:http';
import { percentile } from './figures.ts';

export type Request = { readonly body: Uint8Array; readonly headers: { [name: string]: string } };
export type Load = Request & { readonly url: string };

/** Requests per second and milliseconds of `concurrency` callers who each wait for their answer. */
export type Measured = { readonly perSecond: number; readonly medianMs: number; readonly p99Ms: number };

/** A server that does not answer any more must not keep its callers. */
const GRACE_MS = 60_000;

/** Posts the same request over kept connections for `seconds`. @throws at the first answer that is not 200, or does not come */
export async function measure({ url, body, headers }: Load, concurrency: number, seconds: number): Promise<Measured> {
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency });
  const latencies: number[] = [];
  const post = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const outgoing = request(url, { method: 'POST', agent, headers: { ...headers, 'content-length': body.length } });
      outgoing.on('response', (response) => {
        if (response.statusCode !== 200) reject(new Error(`answered ${response.statusCode}`));
        response.on('end', resolve).on('error', reject).resume();
      });
      outgoing.on('error', reject).end(body);
    });
  const caller = async (): Promise<void> => {
    while (performance.now() < end) {
      const sentAt = performance.now();
      await post();
      latencies.push(performance.now() - sentAt);
    }
  };
  const started = performance.now();
  const end = started + seconds * 1000;
  const late = setTimeout(() => agent.destroy(), seconds * 1000 + GRACE_MS);
  try {
    await Promise.all(Array.from({ length: concurrency }, caller));
  } finally {
    clearTimeout(late);
    agent.destroy();
  }
  const perSecond = (latencies.length / (performance.now() - started)) * 1000;
  return { perSecond, medianMs: median(latencies), p99Ms: percentile(latencies, 0.99) };
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}
