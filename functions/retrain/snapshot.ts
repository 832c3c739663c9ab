import { type Content, type ModelRepository, WriteConflict } from '../inference/ports.ts';
import type { Dataset } from './datasets.ts';
import { inParallel } from './in-parallel.ts';
import type { LeftOut, Usable, Validated } from './validate.ts';

/** A file as `manifest.json` of a snapshot has it. */
export type SnapshotFile = {
  /** `<class>/<file>`, in the data set and in the snapshot. */
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
  readonly etag: string;
  readonly version_id?: string;
  readonly width: number;
  readonly height: number;
  readonly pixels_sha256: string;
};

/** `snapshots/<model>/<id>/manifest.json`: what a training job trains on, beside the files themselves. */
export type SnapshotManifest = {
  readonly model: string;
  readonly id: string;
  /** ISO 8601, in UTC. */
  readonly made_at: string;
  readonly classes: readonly string[];
  readonly files: readonly SnapshotFile[];
  /** What was uploaded with them and is not trained on. */
  readonly left_out: readonly (SnapshotFile & { readonly reason: LeftOut })[];
};

const MANIFEST_FILE = 'manifest.json';
/** Copies that S3 makes for us at a time. */
const AT_ONCE = 32;

/** What is in an upload, by which it is known: the line that `sha256sum` writes of each file, sorted by path. */
export function contentText(files: readonly { readonly path: string; readonly sha256: string }[]): string {
  return files
    .toSorted((a, b) => (a.path < b.path ? -1 : 1))
    .map(({ path, sha256 }) => `${sha256}  ${path}\n`)
    .join('');
}

/** Copies of what was uploaded, which never change. One that has its manifest is complete. */
export class Snapshots {
  readonly #repository: ModelRepository;
  readonly #dataset: Dataset;
  readonly #content: (text: string) => Content;

  /**
   * @param repository of what is below `snapshots/`, where `dataset` copies to
   * @param content makes a text one that can be written
   */
  constructor(repository: ModelRepository, dataset: Dataset, content: (text: string) => Content) {
    this.#repository = repository;
    this.#dataset = dataset;
    this.#content = content;
  }

  /** Undefined where there is no complete one. */
  async manifest(model: string, id: string): Promise<SnapshotManifest | undefined> {
    const found = await this.#repository.tagged(model, `${id}/${MANIFEST_FILE}`);
    return found && (JSON.parse(found.text) as SnapshotManifest);
  }

  /**
   * Copies the files that are used, and then writes the manifest. Whoever does so again, or at the same time, makes the same.
   * @throws DataChanged
   */
  async make(model: string, id: string, { used, leftOut }: Validated, now: Date): Promise<void> {
    if ((await this.manifest(model, id)) !== undefined) return;
    await inParallel(used, AT_ONCE, (file) => this.#dataset.copy(model, file, file.sha256, id));
    const manifest: SnapshotManifest = {
      model,
      id,
      made_at: now.toISOString(),
      classes: [...new Set(used.map(({ path }) => path.slice(0, path.indexOf('/'))))].sort(),
      files: used.map(entryOf),
      left_out: leftOut.map((file) => ({ ...entryOf(file), reason: file.reason })),
    };
    const text = `${JSON.stringify(manifest, null, 1)}\n`;
    try {
      await this.#repository.create(model, `${id}/${MANIFEST_FILE}`, this.#content(text));
    } catch (error) {
      // Somebody was faster with the same content, at another time of day.
      if (!(error instanceof WriteConflict)) throw error;
    }
  }
}

function entryOf({ path, sha256, size, etag, versionId, picture }: Usable): SnapshotFile {
  return {
    path,
    sha256,
    size,
    etag,
    ...(versionId === undefined ? {} : { version_id: versionId }),
    width: picture.width,
    height: picture.height,
    pixels_sha256: picture.pixelsSha256,
  };
}
