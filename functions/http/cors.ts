/**
 * What lets a page of another origin read an answer (https://fetch.spec.whatwg.org/#http-cors-protocol). Preflights are answered by
 * API Gateway.
 * @param origins whose pages may read it; '*' for all
 * @param origin of the page that asks
 * @param exposed the header that it may read, too
 */
export function corsHeaders(
  origins: readonly string[],
  origin: string | null,
  exposed: string,
): { [name: string]: string } {
  if (origins.length === 0) return {};
  if (origins.includes('*')) return { 'Access-Control-Allow-Origin': '*', 'Access-Control-Expose-Headers': exposed };
  // Whoever keeps the answer for another origin must know that it differs.
  if (origin === null || !origins.includes(origin)) return { Vary: 'Origin' };
  return { 'Access-Control-Allow-Origin': origin, 'Access-Control-Expose-Headers': exposed, Vary: 'Origin' };
}
