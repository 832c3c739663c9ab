// Asks servers one after the other whether they live, as a load balancer does, but a hundred times a second each:
// `prober.ts SECONDS URL...`. Prints a line of JSON: for each URL its answers, and their milliseconds' percentiles. A process
// of its own, as what makes the load must not keep it waiting.

import { Agent, get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { percentile } from '../figures.ts';

const INTERVAL_MS = 10;

const [seconds = '', ...urls] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true });
const latencies = urls.map((): number[] => []);
const started = performance.now();
const asked: Promise<void>[] = [];
for (let turn = 0; turn * INTERVAL_MS < Number(seconds) * 1000; turn++) {
  // A turn that comes late is asked late: then the prober itself had to wait, which no server can help.
  await sleep(Math.max(0, started + turn * INTERVAL_MS - performance.now()));
  for (const [i, url] of urls.entries()) {
    asked.push(
      ask(url).then((ms) => {
        latencies[i]?.push(ms);
      }),
    );
  }
}
await Promise.all(asked);
agent.destroy();
console.log(
  JSON.stringify(
    latencies.map((all) => ({ answers: all.length, p50: percentile(all, 0.5), p99: percentile(all, 0.99) })),
  ),
);

function ask(url: string): Promise<number> {
  const sent = performance.now();
  return new Promise((resolve, reject) => {
    get(url, { agent }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`${url} answered ${response.statusCode}`));
      response.on('end', () => resolve(performance.now() - sent)).resume();
    }).on('error', reject);
  });
}
