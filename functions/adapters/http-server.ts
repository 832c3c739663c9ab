import type { Server } from 'node:http';
import { createAdaptorServer } from '@hono/node-server';

/** A function from a request to a response as Node's HTTP server, which does not listen yet. */
export function httpServer(fetch: (request: Request) => Response | Promise<Response>): Server {
  return createAdaptorServer({ fetch }) as Server;
}
