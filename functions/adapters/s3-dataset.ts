import {
  CopyObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandOutput,
  type S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { Unavailable } from '../protocol/errors.ts';
import { isModelName } from '../protocol/names.ts';
import { DataChanged, type DataFile, type Dataset } from '../retrain/datasets.ts';
import { s3Client } from './s3-client.ts';
import { statusOf } from './s3-object.ts';
import type { S3Location } from './s3-store.ts';

/** S3's word for the version of an object in a bucket that keeps none. */
const NO_VERSION = 'null';
const CONNECT_TIMEOUT_MS = 2_000;
const SOCKET_TIMEOUT_MS = 30_000;

/** Data sets below a prefix of a bucket. What was listed is read and copied by its version, where the bucket keeps them. */
export class S3Dataset implements Dataset {
  readonly #client: S3Client;
  readonly #location: S3Location;
  readonly #snapshots: S3Location;

  /** @param snapshots the prefix that copies are written below; S3 copies by itself, nothing passes through here */
  constructor(location: S3Location, snapshots: S3Location) {
    this.#location = location;
    this.#snapshots = snapshots;
    this.#client = s3Client({
      requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, socketTimeout: SOCKET_TIMEOUT_MS },
    });
  }

  async models(): Promise<readonly string[]> {
    const { bucket: Bucket, prefix } = this.#location;
    const names: string[] = [];
    for (let token: string | undefined, isFirst = true; isFirst || token !== undefined; isFirst = false) {
      const page = await answered(
        this.#client.send(
          new ListObjectsV2Command({ Bucket, Prefix: prefix, Delimiter: '/', ContinuationToken: token }),
        ),
      );
      for (const { Prefix = '' } of page.CommonPrefixes ?? []) names.push(Prefix.slice(prefix.length, -1));
      token = page.NextContinuationToken;
    }
    return names.filter(isModelName).sort();
  }

  async list(model: string): Promise<readonly DataFile[]> {
    const { bucket: Bucket, prefix } = this.#location;
    const Prefix = `${prefix}${model}/`;
    const files: DataFile[] = [];
    let next: Pick<ListObjectVersionsCommandOutput, 'NextKeyMarker' | 'NextVersionIdMarker'> = {};
    do {
      const page = await answered(
        this.#client.send(
          new ListObjectVersionsCommand({
            Bucket,
            Prefix,
            KeyMarker: next.NextKeyMarker,
            VersionIdMarker: next.NextVersionIdMarker,
          }),
        ),
      );
      for (const { Key = '', Size = 0, ETag = '', VersionId, LastModified, IsLatest } of page.Versions ?? []) {
        // The S3 console makes empty objects that stand for folders.
        if (!IsLatest || Key.endsWith('/')) continue;
        const versionId = VersionId === NO_VERSION ? undefined : VersionId;
        const modified = LastModified?.getTime() ?? 0;
        files.push({ path: Key.slice(Prefix.length), size: Size, etag: ETag, versionId, modified });
      }
      next = page.IsTruncated ? page : {};
    } while (next.NextKeyMarker !== undefined);
    return files.sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  async *read(model: string, file: DataFile): AsyncIterable<Uint8Array> {
    const { Body } = await answered(
      this.#client.send(
        new GetObjectCommand({
          Bucket: this.#location.bucket,
          Key: this.#key(model, file),
          VersionId: file.versionId,
          IfMatch: file.etag,
        }),
      ),
      file,
    );
    try {
      yield* Body as AsyncIterable<Uint8Array>;
    } catch (error) {
      await answered(Promise.reject(error));
    }
  }

  async copy(model: string, file: DataFile, _sha256: string, snapshot: string): Promise<void> {
    const source = encodeURIComponent(`${this.#location.bucket}/${this.#key(model, file)}`).replaceAll('%2F', '/');
    await answered(
      this.#client.send(
        new CopyObjectCommand({
          Bucket: this.#snapshots.bucket,
          Key: `${this.#snapshots.prefix}${model}/${snapshot}/${file.path}`,
          CopySource: file.versionId === undefined ? source : `${source}?versionId=${file.versionId}`,
          CopySourceIfMatch: file.etag,
          // What the uploader wrote beside the content stays behind; to take tags along would need a right of its own.
          MetadataDirective: 'REPLACE',
          TaggingDirective: 'REPLACE',
        }),
      ),
      file,
    );
  }

  #key(model: string, { path }: DataFile): string {
    return `${this.#location.prefix}${model}/${path}`;
  }
}

/**
 * @throws DataChanged where S3 has the file no more as it was listed
 * @throws Unavailable in place of what else S3 threw, whose messages hold names of buckets and keys
 */
async function answered<T>(answer: Promise<T>, file?: DataFile): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    const status = statusOf(error);
    const name = error instanceof S3ServiceException ? error.name : (error as NodeJS.ErrnoException).code;
    const isGone = status === 412 || (status === 404 && name !== 'NoSuchBucket');
    if (file !== undefined && isGone) throw new DataChanged(`${file.path} was changed while it was read`);
    throw new Unavailable(`the data set can't be read: ${name ?? 'no answer'}`, 1);
  }
}
