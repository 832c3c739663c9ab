import { Forbidden, Unauthorized } from '../protocol/errors.ts';
import { quote } from '../protocol/names.ts';

export type AccessRules = {
  /** Only requests that name this machine may pass: no web page and no rebound DNS name can then drive the server. */
  readonly loopbackOnly: boolean;
  /** What `Authorization: Bearer` must carry; undefined: no token is asked for. */
  readonly token: string | undefined;
};

const PLAIN_LOOPBACK = /^http:\/\/(?:localhost|127\.0\.0\.1)(?::[0-9]{1,5})?$/;
const LOOPBACK_NAMES = new Set(['localhost', '127.0.0.1', '[::1]']);

/** @throws Forbidden, Unauthorized */
export function checkAccess(headers: Headers, rules: AccessRules): void {
  if (rules.loopbackOnly) {
    const host = headers.get('host');
    if (host !== null && !namesLoopback(`http://${host}`)) {
      throw new Forbidden(
        `Host is ${quote(host)}; a server on a loopback address answers to localhost or 127.0.0.1 only`,
      );
    }
    const origin = headers.get('origin');
    if (origin !== null && !namesLoopback(origin)) {
      throw new Forbidden(`Origin is ${quote(origin)}; a server on a loopback address answers to local pages only`);
    }
  }
  if (rules.token !== undefined && !carries(headers.get('authorization'), rules.token)) {
    throw new Unauthorized(
      "the request has no valid token; expected 'Authorization: Bearer' and the server's API_TOKEN",
    );
  }
}

function namesLoopback(url: string): boolean {
  // What nearly every request says, told without taking the URL apart.
  if (PLAIN_LOOPBACK.test(url)) return true;
  return URL.canParse(url) && LOOPBACK_NAMES.has(new URL(url).hostname);
}

function carries(authorization: string | null, token: string): boolean {
  const [, sent = ''] = /^bearer +(\S+)\s*$/i.exec(authorization ?? '') ?? [];
  // Only a server with a token needs it; it would take 5 ms of each start.
  const { createHash, timingSafeEqual } = process.getBuiltinModule('node:crypto');
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  // Digests are compared, as equal length is what a comparison in constant time asks for.
  return timingSafeEqual(digest(sent), digest(token));
}
