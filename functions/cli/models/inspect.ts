import { workOf } from '../../adapters/onnx-flops.ts';
import { summarize } from '../../adapters/onnx-summary.ts';
import { bytesText } from '../../adapters/progress.ts';
import { RELEASE_FILE, type Release } from '../../inference/release.ts';
import type { TensorMetadata } from '../../protocol/messages.ts';
import { table } from '../table.ts';
import { withLoader } from './engine.ts';
import { type Common, openRepository } from './repository.ts';
import { versionIn } from './version.ts';

/** One version of a model, by default the live one, and the model's history. */
export async function inspect(model: string, wanted: string | undefined, options: Common): Promise<void> {
  const { repository } = await openRepository(options);
  const { version, config, versions, release } = await versionIn(repository, model, wanted);
  const { path, bytes, done } = await repository.fetch(model, version, config.default_model_filename || 'model.onnx');
  const summary = { ...summarize(path), flops: workOf(path)?.flops };
  done();
  const { inputs, outputs, batch } = await withLoader(async (loader) => {
    const { serving, unload } = await loader.load(repository, { model, version }, config);
    await unload();
    return { inputs: serving.inputs.map(plain), outputs: serving.outputs.map(plain), batch: serving.maxBatchSize };
  });
  const found = { model, version, state: stateOf(version, release), bytes, ...summary, max_batch_size: batch };
  if (options.json) {
    console.log(JSON.stringify({ ...found, inputs, outputs, versions, history: release?.history ?? [] }));
    return;
  }
  const opsets = Object.entries(summary.opsets).map(([domain, number]) => `${domain || 'ai.onnx'} ${number}`);
  console.log(
    [
      `${model} version ${version} (${found.state})`,
      '',
      table([
        { '': 'size', ' ': bytesText(bytes) },
        { '': 'parameters', ' ': summary.parameters.toLocaleString('en') },
        { '': 'FLOPs of one row', ' ': summary.flops?.toLocaleString('en') ?? 'not known' },
        { '': 'nodes', ' ': `${summary.nodes}` },
        { '': 'operator sets', ' ': opsets.join(', ') },
        { '': 'made by', ' ': summary.producer },
        { '': 'most rows of a request', ' ': batch > 0 ? `${batch}` : 'does not batch' },
        ...inputs.map((tensor) => ({ '': 'input', ' ': described(tensor) })),
        ...outputs.map((tensor) => ({ '': 'output', ' ': described(tensor) })),
      ]),
      '',
      history(release),
    ].join('\n'),
  );
}

function stateOf(version: string, release: Release | undefined): string {
  if (release === undefined) return `no ${RELEASE_FILE}: the newest version is live`;
  if (version === release.live) return release.pinned ? 'live, pinned' : 'live';
  return version === release.canary?.version ? `canary, ${release.canary.weight * 100} %` : 'not live';
}

function history(release: Release | undefined): string {
  return table(
    (release?.history ?? []).map(({ at, action, version, by, reason, metrics }) => ({
      when: at,
      what: `${action} ${version}`,
      who: by,
      'why and how good': [reason, metrics && figures(metrics)].filter(Boolean).join('; '),
    })),
  );
}

function figures(metrics: object): string {
  return Object.entries(metrics)
    .slice(0, 3)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}

function plain({ name, datatype, shape }: TensorMetadata): TensorMetadata {
  return { name, datatype, shape };
}

function described({ name, datatype, shape }: TensorMetadata): string {
  return `${name} ${datatype} [${shape.map((dim) => (dim === -1 ? 'any' : dim)).join(', ')}]`;
}
