// The least that a server can do when it is asked whether it lives: `bare-live.ts` prints its port.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const server = createServer((_request, response) => response.end('{}'));
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port));
