import { wilsonInterval } from '../inference/proportion.ts';
import type { Gates } from './gates.ts';
import { lowerBound, samplesFor } from './paired-difference.ts';

/** What a trained model, the challenger, is rejected for, in the order in which it is told. docs/runbook.md has a section for each. */
export const GATE_CODES = [
  'size',
  'not-loadable',
  'signature',
  'parity',
  'golden',
  'held-out-too-small',
  'accuracy-floor',
  'class-recall',
  'worse-than-live',
  'latency',
] as const;

/** These need a live version. */
const BESIDE_CHAMPION: readonly GateCode[] = ['worse-than-live', 'latency'];

export type GateCode = (typeof GATE_CODES)[number];

/** How a model answered the held-out set. */
export type Answers = {
  /** Of each sample, in order. */
  readonly predictions: readonly (string | undefined)[];
  /** Median time of one, in milliseconds. */
  readonly inferMs: number;
};

/** All that was found out about a challenger. What was not looked at is undefined, for another gate is closed then. */
export type Findings = {
  /** Of all its files. */
  readonly bytes: number;
  /** Each: what is wrong, in a sentence, or '' where nothing is. */
  readonly loading?: string | undefined;
  readonly signature?: string | undefined;
  readonly golden?: string | undefined;
  /** The largest difference between the trained network and the exported model; a sentence where it is not known. */
  readonly parity?: number | string | undefined;
  readonly heldOut?:
    | {
        /** Of each sample, in order: the class that it is known to be of. */
        readonly labels: readonly string[];
        readonly challenger: Answers;
        /** The live version; undefined for a model that has none. */
        readonly champion: Answers | undefined;
      }
    | undefined;
};

export type Gate = {
  readonly name: GateCode;
  readonly passed: boolean;
  readonly measured: number | string;
  readonly threshold: number | string;
  /** A sentence with both. */
  readonly text: string;
};

/** How good a model is on the held-out set. */
export type Score = {
  readonly correct: number;
  /** 0 to 1. */
  readonly accuracy: number;
  readonly accuracy_interval_95: readonly [low: number, high: number];
  readonly per_class: { readonly [label: string]: { readonly samples: number; readonly recall: number } };
  readonly infer_ms: number;
};

export type Decision = {
  readonly outcome: 'promote' | 'reject';
  /** The first gate that is closed, and its sentence. */
  readonly code?: GateCode;
  readonly text: string;
  readonly gates: readonly Gate[];
  /** Of the held-out set. */
  readonly samples?: number;
  readonly challenger?: Score;
  readonly champion?: Score;
  readonly comparison?: Comparison;
};

/** The same samples, answered by both. */
export type Comparison = {
  readonly both_right: number;
  readonly only_champion_right: number;
  readonly only_challenger_right: number;
  readonly both_wrong: number;
  /** Of the accuracies, challenger minus champion. */
  readonly difference: number;
  /** The one-sided 95 % confidence bound of the difference. */
  readonly lower_bound_95: number;
};

/** What is judged, and beside what. */
export type Contest = {
  /** What sentences call it. */
  readonly champion: string;
  /** Gates that say nothing of such a challenger. */
  readonly without: readonly GateCode[];
};

const TRAINED: Contest = { champion: 'the live version', without: [] };

/** Decides whether a challenger takes the champion's place: all gates have to be open. */
export function decide(findings: Findings, gates: Gates, contest: Contest = TRAINED): Decision {
  const { heldOut } = findings;
  const challenger = heldOut && scoreOf(heldOut.labels, heldOut.challenger);
  const champion = heldOut?.champion && scoreOf(heldOut.labels, heldOut.champion);
  const comparison = heldOut?.champion && compared(heldOut.labels, heldOut.challenger, heldOut.champion);
  const all = [
    size(findings, gates),
    sentence('not-loadable', findings.loading, 'it loads in ONNX Runtime and answers', 'loads and answers'),
    sentence('signature', findings.signature, 'inputs, outputs and labels are those of the model', "the model's own"),
    parity(findings, gates),
    sentence('golden', findings.golden, 'the golden request has the known answer', 'the known answer'),
    ...(heldOut === undefined ? [] : [heldOutSize(heldOut.labels.length, comparison !== undefined, gates)]),
    ...(challenger === undefined ? [] : [accuracyFloor(challenger, heldOut?.labels.length ?? 0, gates)]),
    ...(challenger === undefined ? [] : [classRecall(challenger, gates)]),
    ...(comparison === undefined ? [] : [notWorse(comparison, heldOut?.labels.length ?? 0, gates, contest)]),
    ...(challenger === undefined || champion === undefined ? [] : [latency(challenger, champion, gates, contest)]),
  ].filter((gate) => gate !== undefined);
  const closed = all.find(({ passed }) => !passed);
  if (closed === undefined) checkWhole(all, champion !== undefined, contest);
  return {
    ...(closed === undefined
      ? { outcome: 'promote', text: `all ${all.length} gates are passed` }
      : { outcome: 'reject', code: closed.name, text: closed.text }),
    gates: all,
    ...(heldOut === undefined ? {} : { samples: heldOut.labels.length }),
    ...(challenger === undefined ? {} : { challenger }),
    ...(champion === undefined ? {} : { champion }),
    ...(comparison === undefined ? {} : { comparison }),
  };
}

/** What was not looked at must not pass. */
function checkWhole(gates: readonly Gate[], hasChampion: boolean, { without }: Contest): void {
  const asked = GATE_CODES.filter((code) => !without.includes(code));
  const needed = asked.filter((code) => hasChampion || !BESIDE_CHAMPION.includes(code));
  const missing = needed.find((code) => !gates.some(({ name }) => name === code));
  if (missing !== undefined) throw new Error(`the gate '${missing}' was not looked at`);
}

function size({ bytes }: Findings, { maxBytes }: Gates): Gate {
  const passed = bytes <= maxBytes;
  return {
    name: 'size',
    passed,
    measured: bytes,
    threshold: maxBytes,
    text: `its files have ${bytes} bytes; expected at most ${maxBytes}`,
  };
}

function sentence(name: GateCode, problem: string | undefined, fine: string, threshold: string): Gate | undefined {
  if (problem === undefined) return undefined;
  return { name, passed: problem === '', measured: problem || threshold, threshold, text: problem || fine };
}

function parity({ parity: found }: Findings, { parity: threshold }: Gates): Gate | undefined {
  if (found === undefined) return undefined;
  // Not `found > threshold`: NaN has to fail too.
  const passed = typeof found === 'number' && found <= threshold;
  const text =
    typeof found === 'number'
      ? `the exported model differs from the trained network by ${found} in an output; expected at most ${threshold}`
      : found;
  return { name: 'parity', passed, measured: found, threshold, text };
}

function heldOutSize(samples: number, hasChampion: boolean, { margin, minHeldOut }: Gates): Gate {
  const forMargin = hasChampion ? samplesFor(margin) : 0;
  const threshold = Number.isFinite(forMargin) ? Math.max(minHeldOut, forMargin) : 'no number';
  const passed = typeof threshold === 'number' && samples >= threshold;
  const why = hasChampion && forMargin > minHeldOut ? `, to show that it is worse by at most ${margin}` : '';
  const text = `the held-out set has ${samples} pictures; expected at least ${threshold}${why}`;
  return { name: 'held-out-too-small', passed, measured: samples, threshold, text };
}

function accuracyFloor({ accuracy, correct, accuracy_interval_95 }: Score, samples: number, gates: Gates): Gate {
  const [low, high] = accuracy_interval_95.map(shown);
  const text =
    `its accuracy on the held-out set is ${shown(accuracy)} (${correct} of ${samples}, 95 % interval ${low} to ${high}); ` +
    `expected at least ${gates.minAccuracy}`;
  const passed = accuracy >= gates.minAccuracy;
  return { name: 'accuracy-floor', passed, measured: accuracy, threshold: gates.minAccuracy, text };
}

function classRecall({ per_class }: Score, { minClassRecall: threshold }: Gates): Gate {
  const [worst, found] = Object.entries(per_class).reduce((a, b) => (b[1].recall < a[1].recall ? b : a));
  const { recall, samples } = found;
  const text =
    `of the ${samples} held-out pictures of class '${worst}' it recognises ${shown(recall)}, the least of all classes; ` +
    `expected at least ${threshold}`;
  return { name: 'class-recall', passed: recall >= threshold, measured: recall, threshold, text };
}

function notWorse(found: Comparison, samples: number, { margin }: Gates, { champion }: Contest): Gate {
  const { lower_bound_95, difference, only_challenger_right, only_champion_right } = found;
  const text =
    `its accuracy minus that of ${champion} is ${shown(difference)}, with 95 % confidence at least ` +
    `${shown(lower_bound_95)} (of ${samples} pictures ${only_challenger_right} are right in it alone, ` +
    `${only_champion_right} in ${champion} alone); expected at least ${-margin}`;
  const passed = lower_bound_95 >= -margin;
  return { name: 'worse-than-live', passed, measured: lower_bound_95, threshold: -margin, text };
}

function latency(found: Score, live: Score, { maxLatencyRatio: threshold }: Gates, { champion }: Contest): Gate {
  const ratio = found.infer_ms / live.infer_ms;
  const text =
    `a picture takes it ${found.infer_ms.toFixed(3)} ms, ${ratio.toFixed(2)} times as long as ${champion} ` +
    `(${live.infer_ms.toFixed(3)} ms, medians); expected at most ${threshold}`;
  return { name: 'latency', passed: ratio <= threshold, measured: ratio, threshold, text };
}

function scoreOf(labels: readonly string[], { predictions, inferMs }: Answers): Score {
  const isRight = rightOf(labels, predictions);
  const correct = isRight.filter(Boolean).length;
  const perClass = Object.entries(Object.groupBy(isRight.keys(), (i) => labels[i] as string)).map(
    ([label, found = []]) => {
      const recall = found.filter((i) => isRight[i]).length / found.length;
      return [label, { samples: found.length, recall }] as const;
    },
  );
  return {
    correct,
    accuracy: correct / labels.length,
    accuracy_interval_95: wilsonInterval(correct, labels.length),
    per_class: Object.fromEntries(perClass),
    infer_ms: inferMs,
  };
}

function compared(labels: readonly string[], challenger: Answers, champion: Answers): Comparison {
  const [second, first] = [rightOf(labels, challenger.predictions), rightOf(labels, champion.predictions)];
  const count = (ofFirst: boolean, ofSecond: boolean): number =>
    labels.filter((_, i) => first[i] === ofFirst && second[i] === ofSecond).length;
  const [onlyFirst, onlySecond, samples] = [count(true, false), count(false, true), labels.length];
  return {
    both_right: count(true, true),
    only_champion_right: onlyFirst,
    only_challenger_right: onlySecond,
    both_wrong: count(false, false),
    difference: (onlySecond - onlyFirst) / samples,
    lower_bound_95: lowerBound({ onlyFirst, onlySecond, samples }),
  };
}

function rightOf(labels: readonly string[], predictions: readonly (string | undefined)[]): boolean[] {
  return labels.map((label, i) => predictions[i] === label);
}

function shown(share: number): string {
  return share.toFixed(4);
}
