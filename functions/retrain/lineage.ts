import type { StoredDecision } from './decisions.ts';
import { MODEL_FILE } from './staged-model.ts';

/** The file of a version's folder. */
export const LINEAGE_FILE = 'lineage.json';

/** What a version was made from: `lineage.json`, and the history of release.json. */
export type Lineage = {
  /** The upload. */
  readonly id: string;
  /** Its immutable copy, which was trained on. */
  readonly snapshot: string;
  /** Of the snapshot's manifest.json, which has the sha256 of every file. */
  readonly manifest: { readonly sha256: string; readonly files: number };
  readonly execution: string;
  readonly job: string;
  /** The container that the job ran in, with its tag or digest. */
  readonly image: string;
  /** Where the program is that it ran. */
  readonly code: string;
  /** What the job itself has found of its data, its program and the packages. */
  readonly data_sha256?: string;
  readonly data_manifest_sha256?: string;
  readonly code_sha256?: string;
  readonly versions?: object;
  readonly model_sha256: string;
  /** The version that it was held against. */
  readonly champion?: string;
  readonly held_out_sha256?: string;
  readonly decided_at: string;
};

type Run = Pick<Lineage, 'id' | 'snapshot' | 'execution' | 'job' | 'image' | 'code'>;

/** The same for the same run, whenever it is asked. */
export function lineageOf(
  { id, snapshot, execution, job, image, code }: Run,
  { files, live, held_out_sha256, decided_at }: StoredDecision,
  manifest: Lineage['manifest'],
  metrics: { readonly [name: string]: unknown },
): Lineage {
  const { data, versions, code_sha256 } = metrics;
  const { sha256, manifest_sha256 } = Object(data);
  return {
    id,
    snapshot,
    manifest,
    execution,
    job,
    image,
    code,
    ...(typeof sha256 === 'string' ? { data_sha256: sha256 } : {}),
    ...(typeof manifest_sha256 === 'string' ? { data_manifest_sha256: manifest_sha256 } : {}),
    ...(typeof code_sha256 === 'string' ? { code_sha256 } : {}),
    ...(typeof versions === 'object' && versions !== null ? { versions } : {}),
    model_sha256: files[MODEL_FILE] ?? '',
    ...(live === undefined ? {} : { champion: live }),
    ...(held_out_sha256 === undefined ? {} : { held_out_sha256 }),
    decided_at,
  };
}
