const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-|$)/;
const XRAY_ROOT = /(?:^|;)\s*Root=1-([0-9a-f]{8})-([0-9a-f]{24})(?:;|$)/;

/**
 * The trace id of a W3C `traceparent` header (https://www.w3.org/TR/trace-context/), else of the `X-Amzn-Trace-Id` that
 * API Gateway adds, whose root is the same 32 digits with dashes.
 */
export function traceId(headers: Headers): string | undefined {
  const traceparent = headers.get('traceparent') ?? '';
  const [, id] = TRACEPARENT.exec(traceparent) ?? [];
  if (id !== undefined && !/^0+$/.test(id) && !traceparent.startsWith('ff')) return id;
  const [, seconds, rest] = XRAY_ROOT.exec(headers.get('x-amzn-trace-id') ?? '') ?? [];
  return seconds === undefined ? undefined : `${seconds}${rest}`;
}
