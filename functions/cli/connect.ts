// `npm run connect`: a deployed API with IAM authentication, for clients that can't sign.

import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { awsCredentials } from '../adapters/aws-credentials.ts';
import { httpServer } from '../adapters/http-server.ts';
import { playgroundPage } from '../adapters/playground-page.ts';
import { deployedOutput } from './deployed.ts';
import { exitWith, Misuse } from './failure.ts';
import { signingProxy } from './signing-proxy.ts';

const USAGE = `Usage: npm run connect -- [URL] [options]

Passes requests to http://127.0.0.1:8081 on to a deployed API, signed with your AWS
credentials, so that curl, tritonclient and the browser work with IAM authentication. That URL
opened in a browser is the playground.

  URL               the API's URL (default: the one that npm run deploy printed)
  --port PORT       port to listen on, 0 for any free one             (8081)
  --region REGION   region of the API, where its URL does not say     (AWS_REGION)
  --profile NAME    profile of your AWS configuration                 (AWS_PROFILE)`;

async function main(): Promise<void> {
  const { values, positionals } = readArguments();
  if (values.help) {
    console.log(USAGE);
    return;
  }
  if (positionals.length > 1) throw new Misuse(`connect takes one URL, got ${positionals.length}`);
  const port = values.port ?? '8081';
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) {
    throw new Misuse(`--port is '${port}'; expected an integer from 0 to 65535`);
  }
  const url = readUrl(positionals[0] ?? (await deployedOutput('ApiUrl', 'a URL')));
  const region = values.region ?? /\.execute-api\.([a-z0-9-]+)\./.exec(url.host)?.[1] ?? process.env.AWS_REGION;
  if (region === undefined) throw new Misuse(`'${url.host}' does not say its region; expected --region or AWS_REGION`);
  const credentials = awsCredentials(values.profile);
  const { accessKeyId } = await credentials().catch((error: Error) => {
    throw new Misuse(`no AWS credentials: ${error.message}`);
  });
  const server = httpServer(signingProxy({ url, region, credentials }, playgroundPage));
  server.once('error', ({ message }) => {
    console.error(`connect: port ${port}: ${message}`);
    process.exitCode = 2;
  });
  server.listen(Number(port), '127.0.0.1', () => {
    const { port: bound } = server.address() as AddressInfo;
    console.log(`http://127.0.0.1:${bound} -> ${url.href} (${region}), signed by ${accessKeyId}; Ctrl+C ends it`);
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => server.close());
}

function readArguments() {
  try {
    const text = { type: 'string' } as const;
    return parseArgs({
      allowPositionals: true,
      options: { port: text, region: text, profile: text, help: { type: 'boolean', short: 'h' } },
    });
  } catch (error) {
    throw new Misuse((error as Error).message);
  }
}

function readUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // A plain connection would show everyone on the way what is sent; on this machine there is no way.
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && /^(127\.|localhost$)/.test(url.hostname));
  if (url === undefined || !isSafe)
    throw new Misuse(`URL is '${text}'; expected https://…, as npm run deploy prints it`);
  return url;
}

await exitWith('connect', main);
