import { Failure } from '../../../functions/cli/failure.ts';
import { CORES } from '../cores.ts';
import { expectedScores, type Format } from '../digits.ts';
import { middle, rounded } from '../figures.ts';
import { hopsOf, laneBetween } from '../lane.ts';
import { median } from '../load.ts';
import { INFER, type Running, start, stop } from '../peers/running.ts';
import { OURS, peersIn } from '../peers/servers.ts';
import { memoryMb, processorSeconds, treeOf } from '../processes.ts';
import type { Context, Row, Section, Table } from '../section.ts';
import { closedLoop, openLoop } from '../wrk.ts';

const CALLERS = [1, 8, 64];
const ROUNDS = 3;
const SECONDS = 3;
const STARTS = 3;
const PACED_CALLERS = 8;
const PACED_SHARE = 0.8;
const PACED_SECONDS = 8;

/** Requests per second, milliseconds, and microseconds of processor time per request. */
type Measured = { perSecond: number; p50: number; p99: number; cpu: number };
/** The same at a part of the load that the server can take. */
type Paced = { perSecond: number; share: number; p50: number; p99: number };

export default {
  name: 'peers',
  what: `the digits on ${CORES} cores: the local server beside other servers of the same model, one thread of ONNX Runtime each`,
  async run(context): Promise<Table[]> {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
    const { quick, scratch, progress } = context;
    progress('installing');
    const peers = peersIn(scratch);
    const expected = await expectedScores();
    const starts = new Map<string, number[]>();
    for (let round = 1; round < (quick ? 1 : STARTS); round++) {
      for (const peer of peers) {
        progress(`start of ${peer.name}, round ${round}`);
        const running = await start(peer, expected, scratch);
        starts.set(peer.name, [...(starts.get(peer.name) ?? []), running.startMs]);
        await stop(running);
      }
    }
    const running: Running[] = [];
    try {
      for (const peer of peers) {
        progress(`start of ${peer.name}`);
        running.push(await start(peer, expected, scratch));
      }
      const tables: Table[] = [];
      for (const format of ['JSON', 'binary'] as const) {
        for (const callers of CALLERS) tables.push(await load(running, format, callers, context));
      }
      const paced = await pacedLoad(running, context);
      const once = running.map(({ peer, pid, startMs }): Row => {
        const tree = treeOf(pid);
        return {
          server: peer.name,
          'start ms': Math.round(median([...(starts.get(peer.name) ?? []), startMs])),
          'memory MB': Math.round(memoryMb(tree)),
          processes: tree.length,
        };
      });
      const title = 'From the start to the first right answer; memory after all requests';
      return [...tables, paced, { title, rows: once }];
    } finally {
      await Promise.all(running.map(stop));
    }
  },
} satisfies Section;

async function load(
  running: readonly Running[],
  format: Format,
  callers: number,
  { quick, progress, scratch }: Context,
): Promise<Table> {
  const able = running.filter(({ peer }) => peer.requests[format] !== undefined);
  const before = await Promise.all(able.map(hopsBy));
  const measured = able.map((): Measured[] => []);
  for (let round = 1; round <= (quick ? 1 : ROUNDS); round++) {
    for (const [i, one] of able.entries()) {
      progress(`${format}, ${callers} callers, round ${round}, ${one.peer.name}`);
      measured[i]?.push(await measure(one, format, callers, quick ? 1 : SECONDS, scratch));
    }
  }
  const after = await Promise.all(able.map(hopsBy));
  const ours = measured[able.findIndex(({ peer }) => peer.name === OURS)] ?? [];
  const rows = able.map(({ peer }, i): Row => {
    const all = measured[i] ?? [];
    const [was, is] = [before[i], after[i]];
    return {
      server: peer.name,
      lane: was && is ? laneBetween(was, is) : '',
      'requests/s': Math.round(middle(all, 'perSecond')),
      'ours is times as fast': rounded(middle(ours, 'perSecond') / middle(all, 'perSecond')),
      'p50 ms': rounded(middle(all, 'p50')),
      'p99 ms': rounded(middle(all, 'p99')),
      'CPU µs': Math.round(middle(all, 'cpu')),
    };
  });
  return { title: `${format}, ${callers} caller${callers === 1 ? '' : 's'}`, rows };
}

async function measure(
  { peer, url, pid }: Running,
  format: Format,
  callers: number,
  seconds: number,
  scratch: string,
): Promise<Measured> {
  const tree = treeOf(pid);
  const before = processorSeconds(tree);
  const { requests, perSecond, p50, p99 } = await closedLoop(postOf(peer, url, format), callers, seconds, scratch);
  return { perSecond, p50, p99, cpu: ((processorSeconds(tree) - before) / requests) * 1e6 };
}

/** Each at a part of what it has just answered at most: how long its callers wait when it is busy and not overrun. */
async function pacedLoad(running: readonly Running[], { quick, progress, scratch }: Context): Promise<Table> {
  const paced = running.filter(({ peer }) => peer.isPaced);
  const measured = paced.map((): Paced[] => []);
  for (let round = 1; round <= (quick ? 1 : ROUNDS); round++) {
    for (const [i, { peer, url }] of paced.entries()) {
      progress(`${PACED_SHARE * 100} % of its load, round ${round}, ${peer.name}`);
      const post = postOf(peer, url, 'binary');
      const most = await closedLoop(post, PACED_CALLERS, quick ? 1 : SECONDS, scratch);
      const found = await openLoop(post, most.perSecond * PACED_SHARE, quick ? 1 : PACED_SECONDS, scratch);
      measured[i]?.push({ ...found, share: found.perSecond / most.perSecond });
    }
  }
  const rows = paced.map(({ peer }, i): Row => {
    const all = measured[i] ?? [];
    return {
      server: peer.name,
      'requests/s': Math.round(middle(all, 'perSecond')),
      'of the most': rounded(middle(all, 'share')),
      'p50 ms': rounded(middle(all, 'p50')),
      'p99 ms': rounded(middle(all, 'p99')),
      'p99 of p50': rounded(middle(all, 'p99') / middle(all, 'p50')),
    };
  });
  return { title: `binary, at random moments, ${PACED_SHARE * 100} % of what ${PACED_CALLERS} callers got`, rows };
}

function postOf({ name, requests }: Running['peer'], url: string, format: Format): Parameters<typeof closedLoop>[0] {
  const request = requests[format];
  if (request === undefined) throw new Failure(`${name} has no request as ${format}`);
  return { url: `${url}${INFER}`, ...request };
}

async function hopsBy({ peer, url }: Running): Promise<Awaited<ReturnType<typeof hopsOf>> | undefined> {
  return peer.isOurs ? hopsOf(url, 'digits') : undefined;
}
