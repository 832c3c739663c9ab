import { MB_PER_VCPU } from '../../adapters/lambda-cpu.ts';
import { DISABLE_PREPACKING } from '../../inference/compiled.ts';
import { type Row, table } from '../table.ts';
import type { Result } from './measure.ts';
import type { Recommendation, Size } from './recommend.ts';

const BAR = 24;
const TOO_BUSY = 0.1;

/** The tables, for a terminal. */
export function tablesOf(found: Recommendation, results: readonly Result[]): string {
  return [sizesTable(found), prepackingTable(found, results), rowsTable(results)].join('\n\n');
}

function sizesTable({ sizes, best }: Recommendation): string {
  const longest = Math.max(...sizes.map(({ runMs }) => runMs));
  const counts = [...new Set(sizes.flatMap(({ runs }) => runs.map(({ threads }) => threads)))].sort((a, b) => a - b);
  return table(
    sizes.map((size) => {
      const times = counts.map((threads) => [titleOf(threads), timeOf(size, threads)] as const);
      const row: Row = {
        memory: `${size.memoryMb} MB`,
        vCPU: (size.memoryMb / MB_PER_VCPU).toFixed(2),
        ...Object.fromEntries(times),
        'USD per million': size.usd.toFixed(2),
        '': '█'.repeat(Math.max(1, Math.round((BAR * size.runMs) / longest))),
        ' ': size === best ? 'best' : size.fits ? '' : 'too small for the model',
      };
      return row;
    }),
  );
}

function titleOf(threads: number): string {
  return threads === 1 ? '1 thread' : `${threads} threads`;
}

/** With a mark at what the function takes by itself, and one at what is computed. */
function timeOf({ runs, ownThreads }: Size, threads: number): string {
  const found = runs.find((run) => run.threads === threads);
  if (found === undefined) return '';
  const own = threads === ownThreads ? '*' : '';
  return `${found.how === 'computed' ? '~' : ''}${ms(found.runMs)}${own}`;
}

function prepackingTable({ prepacking: { on, off } }: Recommendation, results: readonly Result[]): string {
  return table(
    [on, off].map((loading) => {
      const run = results.find((result) => {
        return result.prepacking === loading.prepacking && result.memoryMb === undefined && result.rows === 1;
      });
      return {
        prepacking: loading.prepacking ? 'on' : 'off',
        'session is made in': ms(loading.sessionMs),
        run: ms(run?.runMs ?? Number.NaN),
        'memory of the process': `${loading.peakMb.toFixed(0)} MB`,
      };
    }),
  );
}

function rowsTable(results: readonly Result[]): string {
  const found = results.filter(({ memoryMb, prepacking }) => memoryMb === undefined && prepacking);
  const most = Math.max(...found.map(({ runMs, rows }) => runMs / rows));
  return table(
    found.map(({ rows, runMs }) => ({
      'rows of a request': `${rows}`,
      run: ms(runMs),
      'a row': ms(runMs / rows),
      '': '█'.repeat(Math.max(1, Math.round((BAR * (runMs / rows)) / most))),
    })),
  );
}

/** What to write where, in sentences. */
export function adviceOf(found: Recommendation, withinMs: number): string[] {
  const { best, ownThreads, prepacking, rows, mostRows, neededMb } = found;
  const advice: string[] = [];
  if (best === undefined) {
    const within = Number.isFinite(withinMs) ? ` and answers within ${withinMs} ms` : '';
    advice.push(`memory: none of these sizes has room for the model (${neededMb} MB)${within}`);
  } else {
    advice.push(
      `memory: "memoryMb": ${best.memoryMb}; nothing that costs at most 5 % more than the cheapest makes a request a tenth faster, and it has ` +
        `room for the model (${neededMb} MB)`,
    );
    advice.push(
      ownThreads === undefined
        ? `threads: ${best.ownThreads}, as the function takes by itself`
        : `threads: ${ownThreads}, which makes a request a tenth faster than the function's own ${best.ownThreads}; in config.pbtxt ` +
            `${parameter('intra_op_thread_count', `${ownThreads}`)}`,
    );
  }
  advice.push(prepackingAdvice(prepacking));
  advice.push(
    rows === 1
      ? 'batch: 1; more rows in a request save nothing worth it'
      : `batch: ${rows} rows in a request${rows < mostRows ? '; beyond, a row gets less than a tenth cheaper' : ', the most that were tried'}`,
  );
  return advice;
}

function prepackingAdvice({ choice, isOwn, evenAfter }: Recommendation['prepacking']): string {
  if (choice === 'off') {
    if (isOwn) return 'prepacking: off, as the version has it by itself';
    return `prepacking: off, which loads faster and runs as fast; in config.pbtxt ${parameter(DISABLE_PREPACKING, '1')}`;
  }
  const line = isOwn ? '' : `, which runs faster; in config.pbtxt ${parameter(DISABLE_PREPACKING, '0')}`;
  const even = Math.round(evenAfter);
  const loss = Number.isFinite(evenAfter) && even > 0;
  return `prepacking: on${line}${loss ? `; off pays where a process answers fewer than ${even} requests` : ''}`;
}

/** Whether one thread without a limit had to wait for a CPU: then all times are too long. */
export function disturbance(results: readonly Result[]): string | undefined {
  const plain = results.find(({ memoryMb, prepacking, rows }) => memoryMb === undefined && prepacking && rows === 1);
  const waited = plain === undefined ? 0 : 1 - plain.cpuMs / plain.runMs;
  if (waited <= TOO_BUSY) return undefined;
  return `this machine does other things: one thread waited ${Math.round(100 * waited)} % of the time, so times are too long`;
}

function parameter(key: string, value: string): string {
  return `parameters { key: "${key}" value { string_value: "${value}" } }`;
}

function ms(value: number): string {
  return `${value < 10 ? value.toPrecision(3) : value.toFixed(1)} ms`;
}
