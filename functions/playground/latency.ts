export type Bucket = { readonly above: number; readonly upTo: number; readonly count: number };

export type Latency = { readonly count: number; readonly meanMs: number; readonly buckets: readonly Bucket[] };

const NAME = 'serverless_onnx_request_duration_ms';

/**
 * How long a model's successful requests took, from Prometheus' text: of all its versions that this process has served.
 * @returns undefined where there is none
 */
export function latencyOf(exposition: string, model: string): Latency | undefined {
  const cumulative = new Map<number, number>();
  let [sum, count] = [0, 0];
  for (const line of exposition.split('\n')) {
    const [, part = '', labels = '', value = ''] = LINE.exec(line) ?? [];
    if (!labels.split(',').includes(`model="${model}"`)) continue;
    if (part === 'sum') sum += Number(value);
    else if (part === 'count') count += Number(value);
    else {
      const edge = /le="([^"]+)"/.exec(labels)?.[1] ?? '';
      const upTo = edge === '+Inf' ? Number.POSITIVE_INFINITY : Number(edge);
      cumulative.set(upTo, (cumulative.get(upTo) ?? 0) + Number(value));
    }
  }
  if (count === 0) return undefined;
  const edges = [...cumulative.keys()].sort((a, b) => a - b);
  const buckets = edges.map((upTo, i) => {
    const above = edges[i - 1] ?? 0;
    return { above, upTo, count: (cumulative.get(upTo) ?? 0) - (cumulative.get(above) ?? 0) };
  });
  return { count, meanMs: sum / count, buckets: trimmed(buckets) };
}

const LINE = new RegExp(`^${NAME}_(bucket|sum|count)\\{([^}]*)\\} (\\S+)`);

/** Without the empty buckets at both ends. */
function trimmed(buckets: readonly Bucket[]): readonly Bucket[] {
  const first = buckets.findIndex(({ count }) => count > 0);
  const last = buckets.findLastIndex(({ count }) => count > 0);
  return buckets.slice(Math.max(0, first - 1), last + 2);
}
