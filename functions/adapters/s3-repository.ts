import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Content,
  ModelRejected,
  type ModelRepository,
  type TaggedText,
  WriteConflict,
} from '../inference/ports.ts';
import { contentOf } from './content.ts';
import { S3Refused } from './s3-reader.ts';
import { answered, S3Store } from './s3-store.ts';
import type { S3Writer } from './s3-writer.ts';

/** Above, a content is not held in memory to be sent. */
const MAX_HELD_BYTES = 16 * 1024 ** 2;
/** What S3 takes in one request. */
const MAX_BYTES = 5 * 1024 ** 3;
const TRIES = 4;
const FIRST_PAUSE_MS = 200;

/** A model repository below a prefix of an S3 bucket, which any number of machines may write to. */
export class S3Repository extends S3Store implements ModelRepository {
  #writer: Promise<S3Writer> | undefined;

  async files(model: string): Promise<ReadonlyMap<string, Content>> {
    const objects = await this.objectsOf(model);
    return new Map(
      objects.map(({ path, size, etag }) => [
        path,
        contentOf(size, () => this.#chunks(`${model}/${path}`, size, etag)),
      ]),
    );
  }

  async create(model: string, path: string, content: Content): Promise<void> {
    if (content.size > MAX_BYTES) {
      throw new ModelRejected(`${path} has ${content.size} bytes; S3 takes at most ${MAX_BYTES} in one request`);
    }
    const sha256 = await content.sha256();
    const checksum = Buffer.from(sha256, 'hex').toString('base64');
    const created = await this.#put(`${model}/${path}`, content, { IfNoneMatch: '*', ChecksumSHA256: checksum });
    if (created) return;
    const writer = await this.#opened();
    if ((await answered(writer.sha256(this.key(`${model}/${path}`)))) === sha256) return;
    throw new WriteConflict(`${model}/${path} exists with other bytes`);
  }

  async tagged(model: string, path: string): Promise<TaggedText | undefined> {
    try {
      const body = await this.reader.get(this.key(`${model}/${path}`).Key);
      return { text: await text(body), tag: body.headers.etag ?? '' };
    } catch (error) {
      if (error instanceof S3Refused && error.status === 404 && error.code !== 'NoSuchBucket') return undefined;
      return answered(Promise.reject(error));
    }
  }

  async replace(model: string, path: string, text: string, tag: string | undefined): Promise<void> {
    const bytes = new TextEncoder().encode(text);
    const content = contentOf(bytes.length, async function* () {
      yield bytes;
    });
    const condition = tag === undefined ? { IfNoneMatch: '*' } : { IfMatch: tag };
    if (await this.#put(`${model}/${path}`, content, condition)) return;
    // The answer to an earlier try may have been lost, and then the conflict is with ourselves.
    if ((await this.tagged(model, path))?.text !== text) {
      throw new WriteConflict(`${model}/${path} was changed by somebody else`);
    }
  }

  /** @returns false where the condition does not hold */
  async #put(
    path: string,
    { size, open }: Content,
    condition: { IfNoneMatch?: string; IfMatch?: string; ChecksumSHA256?: string },
  ): Promise<boolean> {
    for (let tries = 1; ; tries++) {
      // The client itself does not try again what comes from a stream.
      const stream = Readable.from(open(), { objectMode: false });
      const Body = size > MAX_HELD_BYTES ? stream : Buffer.concat(await stream.toArray());
      try {
        const writer = await this.#opened();
        await writer.put({ ...this.key(path), Body, ContentLength: size, ...condition });
        return true;
      } catch (error) {
        const { $metadata } = error as { $metadata?: { httpStatusCode?: number } };
        const status = $metadata?.httpStatusCode;
        // 404: what was to be replaced is gone.
        if (status === 412 || (status === 404 && condition.IfMatch !== undefined)) return false;
        // 409: another request on the same key is under way; what came of it is seen the next time.
        const mayPass = status === undefined || status === 409 || status === 429 || status >= 500;
        if (!mayPass || tries === TRIES) return answered(Promise.reject(error));
        await sleep(FIRST_PAUSE_MS * 2 ** (tries - 1) * (0.5 + Math.random()));
      } finally {
        stream.destroy();
      }
    }
  }

  #opened(): Promise<S3Writer> {
    this.#writer ??= import('./s3-writer.ts').then(({ S3Writer }) => new S3Writer());
    return this.#writer;
  }

  /** A reader that takes its time with each part finds the connection closed: the rest is asked for anew. */
  async *#chunks(path: string, size: number, etag: string): AsyncIterable<Uint8Array> {
    let offset = 0;
    for (let tries = 1; ; tries++) {
      const rest: { [name: string]: string } = offset === 0 ? {} : { range: `bytes=${offset}-` };
      const body = await this.get(path, { 'if-match': etag, ...rest });
      try {
        for await (const chunk of body as AsyncIterable<Uint8Array>) {
          offset += chunk.length;
          tries = 1;
          yield chunk;
        }
        return;
      } catch (error) {
        if (offset >= size) return;
        if (tries === TRIES) await answered(Promise.reject(error));
      }
      await sleep(FIRST_PAUSE_MS * 2 ** (tries - 1) * (0.5 + Math.random()));
    }
  }
}
