import type { IncomingMessage, Server } from 'node:http';
import { createAdaptorServer } from '@hono/node-server';

/** A function from a request to a response as Node's HTTP server, which does not listen yet. */
export function httpServer(fetch: (request: Request) => Response | Promise<Response>): Server {
  return createAdaptorServer({
    fetch: (request, { incoming }) => fetch(withOwnBody(request, incoming as IncomingMessage)),
  }) as Server;
}

/** The request, whose body's parts are copied once, as they come, into memory that is the body's own. */
function withOwnBody(request: Request, incoming: IncomingMessage): Request {
  const announced = incoming.headers['content-length'];
  if (announced === undefined) return request;
  return Object.defineProperty(request, 'arrayBuffer', { value: () => readBytes(incoming, Number(announced)) });
}

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
