import { randomBytes } from 'node:crypto';

const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-|$)/;

/** The trace id of a W3C `traceparent` header (https://www.w3.org/TR/trace-context/), or a new one. */
export function traceId(traceparent: string | null): string {
  const [, id] = TRACEPARENT.exec(traceparent ?? '') ?? [];
  return id !== undefined && !/^0+$/.test(id) && !traceparent?.startsWith('ff') ? id : randomBytes(16).toString('hex');
}
