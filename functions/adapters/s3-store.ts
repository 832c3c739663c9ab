import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { Fetched, FileHashes, ModelStore, StoredModel } from '../inference/ports.ts';
import { Unavailable } from '../protocol/errors.ts';
import { isModelName, isVersion } from '../protocol/names.ts';
import type { DiskCache } from './disk-cache.ts';
import { downloadFolder, type RemoteFile, type WatchDownload } from './download.ts';
import { checkHash } from './file-check.ts';
import { S3Reader, S3Refused } from './s3-reader.ts';
import { comesWith } from './version-files.ts';

const CONFIG_FILE = 'config.pbtxt';
const RELEASE_FILE = 'release.json';
const MODEL_FILE = 'model.onnx';

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
  protected readonly reader: S3Reader;
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
    this.reader = new S3Reader(location.bucket);
  }

  disconnect(): void {
    this.reader.disconnect();
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
    const isConfigured = objects.some(({ path }) => path === CONFIG_FILE);
    const [text, release, parser] = await Promise.all([
      this.#text(model, CONFIG_FILE, objects),
      this.#text(model, RELEASE_FILE, objects),
      // While S3 answers. Without a configuration nobody needs it.
      isConfigured ? import('./model-config-text.ts') : undefined,
    ]);
    const config = text === undefined ? {} : (parser?.parseModelConfig(text) ?? {});
    const file = config.default_model_filename || MODEL_FILE;
    const versions = [...folders].filter((version) => objects.some(({ path }) => path === `${version}/${file}`));
    return { config, release, versions: versions.sort((a, b) => Number(a) - Number(b)) };
  }

  async fetch(model: string, version: string, filename: string, sha256: FileHashes = {}): Promise<Fetched> {
    const listed = this.#listed.get(model) ?? (await this.objectsOf(model));
    const files = listed
      .filter(({ path }) => path.startsWith(`${version}/`))
      .map(({ path, ...object }) => ({ ...object, path: path.slice(version.length + 1) }))
      .filter(({ path }) => comesWith(filename, path))
      .map((file) => (sha256[file.path] === undefined ? file : { ...file, sha256: sha256[file.path] as string }));
    for (const [path, expected] of Object.entries(sha256)) {
      if (comesWith(filename, path) && !files.some((file) => file.path === path)) checkHash(path, undefined, expected);
    }
    const content = createHash('sha256').update(JSON.stringify(files)).digest('hex').slice(0, 32);
    const bytes = files.reduce((sum, { size }) => sum + size, 0);
    let shown: ReturnType<WatchDownload> | undefined;
    try {
      const { folder, done } = await this.#cache.use(`${model}/${version}/${content}`, bytes, (target) =>
        downloadFolder(target, files, async ({ path, etag }, range, write) => {
          shown ??= this.#watch?.(`${model} ${version}`, bytes);
          const { Key } = this.key(`${model}/${version}/${path}`);
          const read = this.reader.range(Key, etag, range, async (piece) => {
            await write(piece);
            shown?.add(piece.length);
          });
          await answered(read);
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
    return new Uint8Array(await answered(buffer(await this.get(`${model}/${path}`))));
  }

  async readUpTo(model: string, path: string, limit: number): Promise<Uint8Array<ArrayBuffer> | number | undefined> {
    const found = await answered(
      this.reader.get(this.key(`${model}/${path}`).Key).catch((error: unknown) => {
        if (error instanceof S3Refused && error.code === 'NoSuchKey') return undefined;
        throw error;
      }),
    );
    if (found === undefined) return undefined;
    const size = Number(found.headers['content-length']);
    if (size <= limit) return new Uint8Array(await answered(buffer(found)));
    found.destroy();
    return size;
  }

  async names(model: string, folder: string): Promise<readonly string[]> {
    const { Key: prefix } = this.key(`${model}/${folder}/`);
    const { objects } = await answered(this.reader.list(prefix, '/', undefined));
    return objects.map(({ key }) => key.slice(prefix.length)).filter((name) => name !== '');
  }

  protected key(path: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#location.bucket, Key: this.#location.prefix + path };
  }

  /** With a release.json nothing else decides what is live: while it is the same, one request says so. */
  async #isReleasedAs(model: string, release: string | undefined): Promise<boolean> {
    const read = this.#texts.get(`${model}/${RELEASE_FILE}`);
    if (release === undefined || read === undefined || read.text !== release) return false;
    const { Key } = this.key(`${model}/${RELEASE_FILE}`);
    const status = await answered(
      this.reader.head(Key, { 'if-none-match': read.etag }).then(
        () => 200,
        (error: unknown) => {
          if (error instanceof S3Refused && (error.status === 304 || error.status === 404)) return error.status;
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
    let page: string | undefined;
    do {
      const found = await answered(this.reader.list(prefix, delimiter, page));
      for (const { key, etag, size } of found.objects) objects.push({ path: key, etag, size });
      prefixes.push(...found.prefixes);
      page = found.next;
    } while (page !== undefined);
    return { objects, prefixes };
  }

  protected get(path: string, headers: { readonly [name: string]: string } = {}): Promise<IncomingMessage> {
    return answered(this.reader.get(this.key(path).Key, headers));
  }
}

/** @throws Unavailable in place of what S3 threw, whose messages hold names of buckets and keys */
export async function answered<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    // The SDK's errors have S3's word for their name.
    const { code, name, $metadata } = error as { code?: string; name: string; $metadata?: object };
    throw new Unavailable(
      `the model repository can't be read: ${$metadata === undefined ? (code ?? 'no answer') : name}`,
      1,
    );
  }
}
