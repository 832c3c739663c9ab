import { rawCall } from '../setup/edges.ts';

/** Of the local server's own counters since it started: requests, and microseconds on the way to a child process and back. */
export type Hops = { readonly requests: number; readonly microseconds: number };

/** What /metrics says: a request in the server's own process has no way to go, and adds nothing to the durations. */
export async function hopsOf(url: string, model: string): Promise<Hops> {
  const { text } = await rawCall(url, '/metrics');
  const sumOf = (counter: string): number =>
    [...text.matchAll(new RegExp(`^${counter}\\{[^}]*model="${model}"[^}]*\\} (\\S+)`, 'gm'))].reduce(
      (sum, [, value]) => sum + Number(value),
      0,
    );
  return {
    requests: sumOf('nv_inference_request_success'),
    microseconds: sumOf('nv_inference_compute_input_duration_us') + sumOf('nv_inference_compute_output_duration_us'),
  };
}

/** Which lane has answered between the two: 'inline' where no request had a way to go. */
export function laneBetween(before: Hops, after: Hops): string {
  const microseconds = (after.microseconds - before.microseconds) / (after.requests - before.requests);
  return microseconds === 0 ? 'inline' : `isolated, ${Math.round(microseconds)} µs away`;
}
