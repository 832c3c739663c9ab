/** A file that somebody has uploaded to train on. */
export type DataFile = {
  /** Below the model's folder: `<class>/<file>`, or `manifest.json`. */
  readonly path: string;
  /** In bytes. */
  readonly size: number;
  /** Another one after each change of the content; equal tags of one path stand for equal contents. */
  readonly etag: string;
  /** Where the store keeps old versions: the one that was listed. */
  readonly versionId?: string | undefined;
  /** When this content came, in milliseconds since 1970. */
  readonly modified: number;
};

/** A file is not what was listed any more, and what was listed can't be had. Whoever changed it brings a new event. */
export class DataChanged extends Error {}

/**
 * What is uploaded to train on: `datasets/<model>/<class>/<file>` in a bucket or a folder. It is read, never written. For example, `list('digits')`
 * gives `{ path: '7/0001.png', size: 812, etag: '"9b2c…"', versionId: 'Zx3…', modified: 1795613347000 }` and so on.
 *
 * Every method throws Unavailable where the store does not answer as it should.
 */
export interface Dataset {
  /** The names of models that have files, sorted. */
  models(): Promise<readonly string[]>;
  /** All files of a model at one moment, sorted by path; empty where there is none. */
  list(model: string): Promise<readonly DataFile[]>;
  /**
   * The content that was listed.
   * @throws DataChanged
   */
  read(model: string, file: DataFile): AsyncIterable<Uint8Array>;
  /**
   * Copies the content that was listed to `snapshots/<model>/<snapshot>/<path>`, whole or not at all. To do it again does no harm.
   * @param sha256 of that content, in 64 hexadecimal digits
   * @throws DataChanged
   */
  copy(model: string, file: DataFile, sha256: string, snapshot: string): Promise<void>;
}
