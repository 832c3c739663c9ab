import type { LabelledImage } from '../../adapters/labelled-images.ts';
import { LAMBDA_MEMORY_MB } from '../../adapters/lambda-cpu.ts';
import { usdPerMillion } from '../../adapters/lambda-prices.ts';
import { bytesText, StepProgress } from '../../adapters/progress.ts';
import { type Evaluation, evaluate, type Sample } from '../../inference/evaluate.ts';
import { fittedImageTensor } from '../../inference/image-tensor.ts';
import type { ServedModel } from '../../inference/model-loader.ts';
import type { ModelRepository } from '../../inference/ports.ts';
import { wilsonInterval } from '../../inference/proportion.ts';
import { isModelName, isVersion } from '../../protocol/names.ts';
import { Misuse } from '../failure.ts';
import { percent, table } from '../table.ts';
import { withLoader } from './engine.ts';
import { checkPictures, picturesAt } from './pictures.ts';
import { type Common, openRepository } from './repository.ts';
import { type FoundVersion, versionIn } from './version.ts';

export type Comparing = Common & { readonly data: string; readonly memory: string };

type Compared = Evaluation & { readonly model: string; readonly version: string; readonly bytes: number };

/** Versions, of one model or of several, side by side on the same pictures: which one to choose. */
export async function compare(wanted: readonly string[], options: Comparing): Promise<void> {
  const memory = /^\d{3,5}$/.test(options.memory) ? Number(options.memory) : 0;
  if (memory < LAMBDA_MEMORY_MB.min || memory > LAMBDA_MEMORY_MB.max) {
    throw new Misuse(`--memory is '${options.memory}'; expected megabytes of a Lambda function, 128 to 10240`);
  }
  await checkPictures('--data', options.data);
  const { repository } = await openRepository(options);
  const versions = await Promise.all(wanted.map((text) => versionOf(repository, text)));
  const images = await picturesAt(options.data);
  const classes = [...new Set(images.map(({ label }) => label))].sort();
  const progress = new StepProgress('comparing', versions.length * images.length);
  const rows: Compared[] = [];
  try {
    for (const { model, version, config } of versions) {
      const id = { model, version };
      rows.push(
        await withLoader(async (loader) => {
          const served = await loader.load(repository, id, config);
          const { predictions, ...found } = await evaluate(served, samples(served, images, progress), classes);
          const files = await repository.files(model);
          const bytes = files.get(`${version}/${config.default_model_filename || 'model.onnx'}`)?.size ?? 0;
          await served.unload();
          return { ...id, ...found, predictions, bytes };
        }),
      );
    }
  } finally {
    progress.stop();
  }
  const usd = ({ inferMs }: Pick<Compared, 'inferMs'>): number => usdPerMillion(inferMs, memory, 'arm64');
  if (options.json) {
    const plain = rows.map(({ predictions: _, ...row }) => ({
      ...row,
      accuracy: row.correct / row.samples,
      usd: usd(row),
    }));
    console.log(JSON.stringify(plain));
    return;
  }
  console.log(
    table(
      rows.map((row) => {
        const [low, high] = wilsonInterval(row.correct, row.samples).map((share) => percent(share));
        return {
          model: row.model,
          version: row.version,
          accuracy: `${percent(row.correct / row.samples)} (${row.correct} of ${row.samples})`,
          '95 % interval': `${low} to ${high}`,
          'median run': `${row.inferMs.toFixed(2)} ms`,
          size: bytesText(row.bytes),
          'USD per million': usd(row).toFixed(2),
        };
      }),
    ),
  );
  console.log(
    `\nruns on one thread of this machine; costs of Lambda with ${memory} MB at that speed and of API Gateway`,
  );
}

async function* samples(
  { serving }: ServedModel,
  images: readonly LabelledImage[],
  progress: StepProgress,
): AsyncIterable<Sample> {
  for (const image of images) {
    const [input] = serving.inputs;
    if (input === undefined) return;
    yield { tensor: fittedImageTensor(input, await image.read()), label: image.label };
    progress.step();
  }
}

/** `model`, whose live version is meant, or `model/version`. */
async function versionOf(repository: ModelRepository, text: string): Promise<FoundVersion> {
  const [model = '', wanted, ...more] = text.split('/');
  if (!isModelName(model) || (wanted !== undefined && !isVersion(wanted)) || more.length > 0) {
    throw new Misuse(`'${text}' is no version; expected MODEL or MODEL/VERSION, like digits/2`);
  }
  return versionIn(repository, model, wanted);
}
