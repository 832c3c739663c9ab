import { type Explanation, explain as explained } from '../../retrain/explain.ts';
import type { Lineage } from '../../retrain/lineage.ts';
import { Failure } from '../failure.ts';
import { type Common, openRepository } from '../models/repository.ts';
import { table } from '../table.ts';
import { gatesTable } from './screen.ts';

/** From a version, which every answer names, back to the data, the program and the decision. */
export async function explain(model: string, wanted: string | undefined, options: Common): Promise<void> {
  const { repository } = await openRepository(options);
  const found = await explained(repository, model, wanted);
  if (found === undefined) throw new Failure(`'${model}${wanted === undefined ? '' : `/${wanted}`}' is not found`);
  if (options.json) {
    console.log(JSON.stringify(found));
    return;
  }
  const parts = [`${model} version ${found.version} (${found.state})`, origin(found), decision(found), history(found)];
  console.log(parts.filter(Boolean).join('\n\n'));
}

function origin({ lineage, metrics, sha256 }: Explanation): string {
  const rows: readonly (readonly [what: string, found: unknown])[] =
    lineage === undefined
      ? [
          ['made by', 'somebody, not by retraining'],
          ['model', sha256?.['model.onnx'] ?? metrics?.model_sha256],
          ['data', Object(metrics?.data).sha256],
        ]
      : made(lineage);
  return table(rows.flatMap(([what, found]) => (found === undefined ? [] : [{ '': what, ' ': `${found}` }])));
}

function made(lineage: Lineage): readonly (readonly [what: string, found: unknown])[] {
  const { manifest, data_manifest_sha256: read } = lineage;
  const isOther = read !== undefined && read !== manifest.sha256;
  return [
    ['upload', lineage.id],
    ['snapshot', lineage.snapshot],
    ['files', manifest.files],
    ['sha256 of its manifest', manifest.sha256],
    ['that the job has read', isOther ? `${read}, which is another one` : undefined],
    ['sha256 of the data', lineage.data_sha256],
    ['training job', lineage.job],
    ['execution', lineage.execution],
    ['image', lineage.image],
    ['program', lineage.code],
    ['sha256 of the program', lineage.code_sha256],
    [
      'packages',
      lineage.versions &&
        Object.entries(lineage.versions)
          .map(([name, version]) => `${name} ${version}`)
          .join(', '),
    ],
    ['sha256 of the model', lineage.model_sha256],
    ['held against version', lineage.champion ?? 'none: it was the first'],
    ['sha256 of the held-out set', lineage.held_out_sha256],
    ['decided at', lineage.decided_at],
  ];
}

function decision({ decision: found }: Explanation): string {
  return gatesTable(found?.gates ?? []);
}

function history({ history: events }: Explanation): string {
  return table(
    events.map(({ at, action, version, by, reason = '' }) => ({
      when: at,
      what: `${action} ${version}`,
      who: by,
      why: reason,
    })),
  );
}
