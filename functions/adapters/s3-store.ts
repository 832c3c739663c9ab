import { createHash } from 'node:crypto';
import { join } from 'node:path';
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import type { Fetched, FileHashes, ModelStore, StoredModel } from '../inference/ports.ts';
import { Unavailable } from '../protocol/errors.ts';
import { isModelName, isVersion } from '../protocol/names.ts';
import type { DiskCache } from './disk-cache.ts';
import { downloadFolder, type RemoteFile, type WatchDownload } from './download.ts';
import { checkHash } from './file-check.ts';
import { parseModelConfig } from './model-config-text.ts';
import { s3Client } from './s3-client.ts';
import { type ObjectKey, statusOf } from './s3-object.ts';

const CONFIG_FILE = 'config.pbtxt';
const RELEASE_FILE = 'release.json';
const MODEL_FILE = 'model.onnx';
const CONNECT_TIMEOUT_MS = 2_000;
/** Longest silence of a connection. */
const SOCKET_TIMEOUT_MS = 10_000;

export type S3Location = { readonly bucket: string /** Empty, or ends with a slash. */; readonly prefix: string };

/** `s3://bucket/some/prefix`, or undefined for anything else. */
export function parseS3Location(url: string): S3Location | undefined {
  const [, bucket, path = ''] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(url) ?? [];
  if (bucket === undefined) return undefined;
  const prefix = path.replace(/\/+$/, '');
  return { bucket, prefix: prefix === '' ? '' : `${prefix}/` };
}

/**
 * A model repository below a prefix of an S3 bucket, in the same layout as in a folder. Versions are downloaded into a
 * folder of their own per version and content; what S3 answers meanwhile is taken only if it is still the same object.
 *
 * Every method throws Unavailable when S3 does not answer as it should.
 */
export class S3Store implements ModelStore {
  protected readonly client: S3Client;
  readonly #location: S3Location;
  readonly #cache: DiskCache;
  readonly #watch: WatchDownload | undefined;
  /** By model, as it was last listed: the paths below the model's folder. */
  readonly #listed = new Map<string, readonly RemoteFile[]>();
  /** The texts of small files by path, with the ETag that they were listed under. */
  readonly #texts = new Map<string, { readonly etag: string; readonly text: string }>();

  /**
   * @param cache where downloaded versions are kept
   * @param watch shows downloads to people
   */
  constructor(location: S3Location, cache: DiskCache, watch?: WatchDownload) {
    this.#watch = watch;
    this.#location = location;
    this.#cache = cache;
    this.client = s3Client({
      followRegionRedirects: true,
      region: process.env.AWS_REGION ?? process.env.AWS_DEFAULT_REGION ?? 'us-east-1',
      requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, socketTimeout: SOCKET_TIMEOUT_MS },
    });
  }

  disconnect(): void {
    // It ends the sockets; the client itself goes on.
    this.client.destroy();
  }

  async models(): Promise<readonly string[]> {
    const { prefixes } = await this.#list(this.#location.prefix, '/');
    return prefixes
      .map((prefix) => prefix.slice(this.#location.prefix.length, -1))
      .filter(isModelName)
      .sort();
  }

  async find(model: string, known?: StoredModel): Promise<StoredModel> {
    if (known !== undefined && (await this.#isReleasedAs(model, known.release))) return known;
    const objects = await this.objectsOf(model);
    const folders = new Set(objects.flatMap(({ path }) => /^([^/]+)\//.exec(path)?.[1] ?? []).filter(isVersion));
    if (folders.size === 0) return { config: {}, versions: [] };
    const text = await this.#text(model, CONFIG_FILE, objects);
    const config = text === undefined ? {} : parseModelConfig(text);
    const release = await this.#text(model, RELEASE_FILE, objects);
    const file = config.default_model_filename || MODEL_FILE;
    const versions = [...folders].filter((version) => objects.some(({ path }) => path === `${version}/${file}`));
    return { config, release, versions: versions.sort((a, b) => Number(a) - Number(b)) };
  }

  async fetch(model: string, version: string, filename: string, sha256: FileHashes = {}): Promise<Fetched> {
    const listed = this.#listed.get(model) ?? (await this.objectsOf(model));
    const files = listed
      .filter(({ path }) => path.startsWith(`${version}/`))
      .map(({ path, ...object }) => ({ ...object, path: path.slice(version.length + 1) }))
      .map((file) => (sha256[file.path] === undefined ? file : { ...file, sha256: sha256[file.path] as string }));
    for (const [path, expected] of Object.entries(sha256)) {
      if (!files.some((file) => file.path === path)) checkHash(path, undefined, expected);
    }
    const content = createHash('sha256').update(JSON.stringify(files)).digest('hex').slice(0, 32);
    const bytes = files.reduce((sum, { size }) => sum + size, 0);
    let shown: ReturnType<WatchDownload> | undefined;
    try {
      const { folder, done } = await this.#cache.use(`${model}/${version}/${content}`, bytes, (target) =>
        downloadFolder(target, files, async ({ path, etag }, start, end) => {
          shown ??= this.#watch?.(`${model} ${version}`, bytes);
          const range = { IfMatch: etag, Range: `bytes=${start}-${end - 1}` };
          return counted(await this.get(`${model}/${version}/${path}`, range), shown?.add);
        }),
      );
      return { path: join(folder, filename), bytes, done };
    } catch (error) {
      // Perhaps it is no longer what was listed.
      this.#listed.delete(model);
      throw error;
    } finally {
      shown?.end();
    }
  }

  async read(model: string, path: string): Promise<Uint8Array<ArrayBuffer>> {
    const body = await this.get(`${model}/${path}`);
    return new Uint8Array(await answered(body.transformToByteArray()));
  }

  protected key(path: string): ObjectKey {
    return { Bucket: this.#location.bucket, Key: this.#location.prefix + path };
  }

  /** With a release.json nothing else decides what is live: while it is the same, one request says so. */
  async #isReleasedAs(model: string, release: string | undefined): Promise<boolean> {
    const read = this.#texts.get(`${model}/${RELEASE_FILE}`);
    if (release === undefined || read === undefined || read.text !== release) return false;
    const { status } = await answered(
      this.client.send(new HeadObjectCommand({ ...this.key(`${model}/${RELEASE_FILE}`), IfNoneMatch: read.etag })).then(
        () => ({ status: 200 }),
        (error: unknown) => {
          const status = statusOf(error);
          if (status === 304 || status === 404) return { status };
          throw error;
        },
      ),
    );
    return status === 304;
  }

  /** A small file of a model, read again only after it has changed. */
  async #text(model: string, name: string, objects: readonly RemoteFile[]): Promise<string | undefined> {
    const file = objects.find(({ path }) => path === name);
    if (file === undefined) return undefined;
    const known = this.#texts.get(`${model}/${name}`);
    if (known?.etag === file.etag) return known.text;
    const text = new TextDecoder().decode(await this.read(model, name));
    this.#texts.set(`${model}/${name}`, { etag: file.etag, text });
    return text;
  }

  protected async objectsOf(model: string): Promise<readonly RemoteFile[]> {
    const prefix = `${this.#location.prefix}${model}/`;
    const { objects } = await this.#list(prefix);
    const relative = objects.map((object) => ({ ...object, path: object.path.slice(prefix.length) }));
    const files = relative.filter(({ path }) => !path.endsWith('/'));
    // Names made up by clients must not fill the memory.
    if (files.length > 0) this.#listed.set(model, files);
    else this.#listed.delete(model);
    return files;
  }

  async #list(prefix: string, delimiter?: string): Promise<{ objects: RemoteFile[]; prefixes: string[] }> {
    const objects: RemoteFile[] = [];
    const prefixes: string[] = [];
    let token: string | undefined;
    do {
      const page = await answered(
        this.client.send(
          new ListObjectsV2Command({
            Bucket: this.#location.bucket,
            Prefix: prefix,
            ...(delimiter === undefined ? {} : { Delimiter: delimiter }),
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
        ),
      );
      for (const { Key = '', ETag = '', Size = 0 } of page.Contents ?? [])
        objects.push({ path: Key, etag: ETag, size: Size });
      for (const { Prefix = '' } of page.CommonPrefixes ?? []) prefixes.push(Prefix);
      token = page.NextContinuationToken;
    } while (token !== undefined);
    return { objects, prefixes };
  }

  protected async get(path: string, more: { IfMatch?: string; Range?: string } = {}) {
    const { Body } = await answered(this.client.send(new GetObjectCommand({ ...this.key(path), ...more })));
    if (Body === undefined) throw new Unavailable('the model repository sent an answer without a body', 1);
    return Body;
  }
}

async function* counted(body: unknown, add: ((bytes: number) => void) | undefined): AsyncIterable<Uint8Array> {
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    add?.(chunk.length);
    yield chunk;
  }
}

/** @throws Unavailable in place of what S3 threw, whose messages hold names of buckets and keys */
export async function answered<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    const name = error instanceof S3ServiceException ? error.name : (error as NodeJS.ErrnoException).code;
    throw new Unavailable(`the model repository can't be read: ${name ?? 'no answer'}`, 1);
  }
}
