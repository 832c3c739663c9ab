import { bytesText } from '../../adapters/progress.ts';
import type { Score } from '../../retrain/gate.ts';
import { percent, type Row, table } from '../table.ts';
import type { Attempt, Comparison } from './comparison.ts';

/** Size, speed and accuracy of the float version and of the int8 ones, side by side, and what the gates say. */
export function tableOf(comparison: Comparison): string {
  const { float, attempts, split } = comparison;
  const champion = attempts.find(({ decision }) => decision?.champion)?.decision?.champion;
  const rows: Row[] = [
    { '': `float, version ${float.version}`, ...figures(champion), size: bytesText(float.bytes), gates: '' },
    ...attempts.map((attempt) => rowOf(attempt, float.bytes)),
  ];
  const judges =
    split.judging.length === 0
      ? 'there is no held-out set: nothing is known of the accuracy'
      : `${split.judging.length} held-out pictures, one after the other in all of them; runs on one thread of this machine`;
  return [table(rows), '', judges, ...attempts.map(sentenceOf)].join('\n');
}

function rowOf({ method, bytes, decision }: Attempt, floatBytes: number): Row {
  const size = bytes === 0 ? '' : `${bytesText(bytes)} (${percent(bytes / floatBytes, 0)})`;
  const { challenger, champion, comparison } = decision ?? {};
  const shown = figures(challenger);
  if (comparison !== undefined) {
    shown['minus float'] = `${points(comparison.difference)}, at least ${points(comparison.lower_bound_95)}`;
  }
  if (challenger !== undefined && champion !== undefined) {
    const ratio = challenger.infer_ms / champion.infer_ms;
    // What a clock shows twice is not told as a difference.
    const word = ratio > 1.03 ? 'slower' : ratio < 0.97 ? 'faster' : 'as fast';
    shown['median run'] = `${shown['median run']} (× ${ratio.toFixed(2)}, ${word})`;
  }
  const gates = decision === undefined ? '' : (decision.code ?? 'passed');
  return { '': `int8, ${method}`, ...shown, size, gates };
}

function figures(score: Score | undefined): { [column: string]: string } {
  if (score === undefined) return { accuracy: '', 'minus float': '', 'median run': '' };
  return {
    accuracy: `${percent(score.accuracy)} (${score.correct} right)`,
    'minus float': '',
    'median run': `${score.infer_ms.toFixed(3)} ms`,
  };
}

function sentenceOf({ method, made, decision }: Attempt): string {
  const { quantised = {}, left = {} } = made?.report ?? {};
  const counts = (found: { [name: string]: number }): string =>
    Object.entries(found)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ');
  const operators = made === undefined ? '' : ` has int8 weights in ${counts(quantised)}`;
  const float = counts(left) === '' ? '' : `, float ones in ${counts(left)}`;
  const verdict = decision === undefined || decision.outcome === 'promote' ? '' : ` is refused: ${decision.text}`;
  return `${method}${operators}${float}${operators !== '' && verdict !== '' ? ', and' : ''}${verdict}`;
}

/** What the table shows, for programs. */
export function summaryOf({ float, attempts, split }: Comparison): object {
  return {
    model: float.model,
    version: float.version,
    bytes: float.bytes,
    samples: split.judging.length,
    int8: attempts.map(({ method, made, bytes, decision }) => ({
      method,
      bytes,
      ...(made === undefined ? {} : { operators: made.report }),
      ...(decision === undefined ? {} : decision),
    })),
  };
}

/** The single figures of a version, for its history. */
export function metricsOf(comparison: Comparison, { bytes, decision }: Attempt): { readonly [name: string]: number } {
  const { challenger, champion, samples = 0 } = decision ?? {};
  if (challenger === undefined || champion === undefined) return {};
  return {
    accuracy: challenger.accuracy,
    correct: challenger.correct,
    samples,
    infer_ms: challenger.infer_ms,
    bytes,
    float_accuracy: champion.accuracy,
    float_infer_ms: champion.infer_ms,
    float_bytes: comparison.float.bytes,
  };
}

function points(share: number): string {
  return `${share < 0 ? '' : '+'}${(share * 100).toFixed(2)} %`;
}
