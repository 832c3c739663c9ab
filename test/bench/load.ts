import { Agent, request } from 'node:http';

export type Load = { readonly url: string; readonly body: Uint8Array; readonly headers: { [name: string]: string } };

/** Requests per second and the median latency in milliseconds of `concurrency` callers who each wait for their answer. */
export type Measured = { readonly perSecond: number; readonly medianMs: number };

/** Posts the same request over kept connections for `seconds`. @throws at the first answer that is not 200 */
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
  await Promise.all(Array.from({ length: concurrency }, caller));
  const perSecond = (latencies.length / (performance.now() - started)) * 1000;
  agent.destroy();
  return { perSecond, medianMs: median(latencies) };
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
