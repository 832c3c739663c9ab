import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { plainRequest } from './plain-fetch.ts';

/** A function from a request to a response as Node's HTTP server, which does not listen yet. */
export function httpServer(fetch: (request: Request) => Response | Promise<Response>): Server {
  return createServer(async (incoming, outgoing) => {
    try {
      await send(await fetch(requestOf(incoming)), outgoing);
    } catch {
      // Whoever asked is gone, or what was to be passed on broke off: half an answer must not look whole.
      outgoing.destroy();
    }
  });
}

function requestOf(incoming: IncomingMessage): Request {
  const { method = 'GET', url = '/', headers } = incoming;
  // The host is not what a path depends on.
  const href = url.startsWith('/')
    ? `http://localhost${url}`
    : URL.canParse(url)
      ? new URL(url).href
      : 'http://localhost/';
  return plainRequest(method, href, headers, {
    whole: () => readBytes(incoming, Number(headers['content-length'] ?? 0)),
    // Who stops reading still answers.
    parts: () => incoming.iterator({ destroyOnReturn: false }),
  });
}

/** A body's parts are copied once, as they come, into memory that is the body's own. */
function readBytes(incoming: IncomingMessage, length: number): Promise<ArrayBuffer> {
  return new Promise((resolve, reject) => {
    if (incoming.destroyed) return reject(new Error('the connection is closed'));
    const body = Buffer.allocUnsafeSlow(length);
    let at = 0;
    let isWhole = false;
    incoming.on('data', (part: Buffer) => {
      at += part.copy(body, at);
    });
    incoming.on('end', () => {
      isWhole = true;
      resolve(body.buffer);
    });
    // All end so: an error, which takes time to make, is for those that end early.
    incoming.on('close', () => isWhole || reject(new Error('the connection was closed')));
  });
}

async function send({ status, headers, body }: Response, outgoing: ServerResponse): Promise<void> {
  outgoing.writeHead(status, [...headers].flat());
  // A single part goes out with the headers, in one write.
  if (body === null || outgoing.req.method === 'HEAD') outgoing.end();
  else if (Array.isArray(body)) outgoing.end(body[0]);
  else await pipeline(Readable.from(body), outgoing);
}
