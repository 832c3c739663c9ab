import { copyFile, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { bytesText } from '../../adapters/progress.ts';
import type { ModelRepository } from '../../inference/ports.ts';
import { readGates } from '../../retrain/gates.ts';
import { HELD_OUT_FILE } from '../../retrain/held-out.ts';
import { labelsOf } from '../../retrain/training-file.ts';
import { withCleanUp } from '../clean-up.ts';
import { Failure, Misuse } from '../failure.ts';
import { splitOf } from '../int8/calibration.ts';
import { type Attempt, type Comparison, compareInt8 } from '../int8/comparison.ts';
import { compiled, newVersion } from '../int8/new-version.ts';
import type { Method } from '../int8/quantizer.ts';
import { summaryOf, tableOf } from '../int8/report.ts';
import { withLoader } from './engine.ts';
import { checkPictures, picturesIn } from './pictures.ts';
import { type Common, openRepository, publisherOf } from './repository.ts';
import { versionIn } from './version.ts';

export type Quantizing = Common & {
  readonly static?: true;
  readonly dynamic?: true;
  readonly calibration?: string;
  readonly output?: string;
  readonly promote?: true;
};

/**
 * Makes an int8 version of a float one and publishes it, where it passes the gates. Without a method both are made and
 * compared, and nothing is published.
 */
export async function quantize(model: string, wanted: string | undefined, options: Quantizing): Promise<void> {
  const methods = await methodsOf(options);
  const { repository, location } = await openRepository(options);
  const float = await versionIn(repository, model, wanted);
  const { gates } = readGates((await repository.tagged(model, 'training.json'))?.text ?? '{}');
  const split = await splitFor(repository, model, methods, options);
  const classes = await labelsOf(repository, model);
  const say = (text: string): void => void (options.json ?? console.error(text));
  const folder = await mkdtemp(join(tmpdir(), 'serverless-onnx-int8-'));
  const remove = () => rm(folder, { recursive: true, force: true });
  await withCleanUp(remove, async (stopped) => {
    const comparison = await withLoader((loader) =>
      compareInt8(loader, repository, float, methods, { split, classes, gates, folder, stopped, say }),
    );
    if (!options.json) console.log(`${tableOf(comparison)}\n`);
    const [only] = comparison.attempts;
    if (methods.length > 1 || only === undefined) {
      told(options, comparison, 'nothing is published; --dynamic or --static publishes one of them');
    } else if (options.output !== undefined) {
      if (only.made !== undefined) await copyFile(only.made.path, options.output);
      told(options, comparison, `${options.output} is the int8 model; nothing is published`);
    } else await published(repository, location, comparison, only, options);
  });
}

async function methodsOf({ static: isStatic, dynamic, calibration, output, promote }: Quantizing): Promise<Method[]> {
  if (isStatic && dynamic)
    throw new Misuse('--static and --dynamic are both given; expected one, or none to compare them');
  const methods: Method[] = isStatic ? ['static'] : dynamic ? ['dynamic'] : ['dynamic', 'static'];
  if (methods.length > 1 && (output !== undefined || promote)) {
    throw new Misuse(`--${promote ? 'promote' : 'output'} is given; expected --static or --dynamic with it`);
  }
  if (output !== undefined && promote) throw new Misuse('--output and --promote are both given; expected one');
  if (output !== undefined) {
    const folder = await stat(dirname(output)).catch(() => undefined);
    if (!folder?.isDirectory()) throw new Misuse(`--output is '${output}'; expected a file in a folder that exists`);
  }
  if (calibration !== undefined && dynamic) {
    throw new Misuse(
      '--calibration is given with --dynamic, which takes its ranges from each request; expected --static',
    );
  }
  if (calibration !== undefined) await checkPictures('--calibration', calibration);
  return methods;
}

/** The pictures that judge, and those that a static quantisation takes its ranges from. */
async function splitFor(
  repository: ModelRepository,
  model: string,
  methods: readonly Method[],
  { calibration, output }: Quantizing,
): ReturnType<typeof splitOf> {
  const archive = (await repository.files(model)).get(HELD_OUT_FILE);
  if (archive === undefined && output === undefined) {
    throw new Failure(
      `'${model}' has no ${HELD_OUT_FILE}, so nobody can tell what int8 costs in accuracy; expected a held-out set ` +
        '(docs/decision.md), or --output FILE for a model that is not published',
    );
  }
  const heldOut = archive === undefined ? [] : await picturesIn(HELD_OUT_FILE, archive);
  return methods.includes('static') ? splitOf(heldOut, calibration) : { calibration: [], judging: heldOut, from: '' };
}

/** A version like any other: not live, unless it is to be. */
async function published(
  repository: ModelRepository,
  location: string,
  comparison: Comparison,
  attempt: Attempt,
  options: Quantizing,
): Promise<void> {
  const { model } = comparison.float;
  if (attempt.decision?.outcome !== 'promote') {
    if (options.json) console.log(JSON.stringify(summaryOf(comparison)));
    throw new Failure(`nothing is published: ${attempt.decision?.text}`);
  }
  const version = await newVersion(comparison, attempt);
  const publisher = publisherOf(repository, options);
  const compilation = await compiled(comparison, attempt, repository);
  const files = new Map([...version.files, ...compilation.files]);
  if (!options.json) console.error(`${compilation.text}\npublishing ${bytesText(attempt.bytes)} to ${location}`);
  const added = await publisher.publish(model, { ...version, files }).finally(() => compilation.remove());
  const release = options.promote ? await publisher.promote(model, added.version) : added.release;
  const isLive = release.live === added.version;
  const next = isLive ? 'live' : `not live; npm run models -- promote ${model} ${added.version} makes it live`;
  told(options, comparison, `${model}: version ${added.version} is published and ${next}`, {
    published: added.version,
    live: release.live,
  });
}

function told({ json }: Common, comparison: Comparison, text: string, more: object = {}): void {
  console.log(json ? JSON.stringify({ ...summaryOf(comparison), ...more }) : text);
}
