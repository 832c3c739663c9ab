import type { LabelledImage } from '../../adapters/labelled-images.ts';
import { StepProgress } from '../../adapters/progress.ts';
import { signatureDifference } from '../../inference/candidate.ts';
import { AnswerFailed, type Evaluation, evaluateTogether, type Sample } from '../../inference/evaluate.ts';
import { fittedImageTensor } from '../../inference/image-tensor.ts';
import type { ServedModel } from '../../inference/model-loader.ts';
import type { TensorSpec } from '../../inference/serving-config.ts';
import { type Contest, type Decision, decide, type Findings } from '../../retrain/gate.ts';
import type { Gates } from '../../retrain/gates.ts';

/** An int8 model, or the sentence that says why it does not load. */
export type Contender = { readonly served: ServedModel | string; readonly bytes: number };

/**
 * Holds int8 models against the gates of retraining, with the float version that they were made of as the champion, all on
 * the same pictures and in turns.
 * @param classes of the model's outputs, where it has no labels
 * @returns in the order of the contenders
 */
export async function judged(
  champion: ServedModel,
  contenders: readonly Contender[],
  pictures: readonly LabelledImage[],
  classes: readonly string[],
  gates: Gates,
): Promise<Decision[]> {
  const contest: Contest = {
    champion: `the float version ${champion.version}`,
    // Int8 answers are others than float ones, by more than rounding: what counts is which class they name.
    without: ['parity', 'golden'],
  };
  const known = contenders.map(({ served, bytes }): Findings => {
    if (typeof served === 'string') return { bytes, loading: served };
    return { bytes, loading: '', signature: signatureDifference(served.serving, champion) ?? '' };
  });
  const able = contenders.flatMap(({ served }, i) => {
    return typeof served === 'string' || known[i]?.signature !== '' ? [] : [served];
  });
  const { ofChampion, found } = await evaluated(champion, able, pictures, classes);
  const labels = pictures.map(({ label }) => label);
  return contenders.map(({ served }, i) => {
    const findings = known[i] as Findings;
    const answers = typeof served === 'string' ? undefined : found.get(served);
    if (answers === undefined) return decide(findings, gates, contest);
    if (typeof answers === 'string') return decide({ ...findings, loading: answers }, gates, contest);
    return decide({ ...findings, heldOut: { labels, challenger: answers, champion: ofChampion } }, gates, contest);
  });
}

type Evaluated = { readonly ofChampion: Evaluation; readonly found: ReadonlyMap<ServedModel, Evaluation | string> };

/** One that does not answer leaves the others to be evaluated. */
async function evaluated(
  champion: ServedModel,
  able: readonly ServedModel[],
  pictures: readonly LabelledImage[],
  classes: readonly string[],
): Promise<Evaluated> {
  const progress = new StepProgress('judging', pictures.length);
  try {
    const [input] = champion.serving.inputs;
    const all = [champion, ...able];
    const samples = samplesOf(input as TensorSpec, pictures, progress);
    const [ofChampion, ...others] = await evaluateTogether(all, samples, classes);
    return {
      ofChampion: ofChampion as Evaluation,
      found: new Map(able.map((served, i) => [served, others[i] as Evaluation])),
    };
  } catch (error) {
    if (!(error instanceof AnswerFailed) || !able.includes(error.served)) throw error;
    const others = able.filter((served) => served !== error.served);
    const rest = await evaluated(champion, others, pictures, classes);
    const problem = `it does not answer the held-out set: ${error.message}`;
    return { ...rest, found: new Map([...rest.found, [error.served, problem]]) };
  } finally {
    progress.stop();
  }
}

async function* samplesOf(
  input: TensorSpec,
  pictures: readonly LabelledImage[],
  progress: StepProgress,
): AsyncIterable<Sample> {
  for (const picture of pictures) {
    yield { tensor: fittedImageTensor(input, await picture.read()), label: picture.label };
    progress.step();
  }
}
