import { PutObjectCommand, type PutObjectCommandInput, type S3Client } from '@aws-sdk/client-s3';
import { s3Client } from './s3-client.ts';
import { type ObjectKey, objectSha256 } from './s3-object.ts';

const CONNECT_TIMEOUT_MS = 2_000;
/** Longest silence of a connection. */
const SOCKET_TIMEOUT_MS = 10_000;

/** What writing to a bucket needs of the AWS SDK, in a module of its own: most processes only read. */
export class S3Writer {
  readonly #client: S3Client = s3Client({
    followRegionRedirects: true,
    region: process.env.AWS_REGION ?? process.env.AWS_DEFAULT_REGION ?? 'us-east-1',
    requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, socketTimeout: SOCKET_TIMEOUT_MS },
  });

  async put(input: PutObjectCommandInput): Promise<void> {
    await this.#client.send(new PutObjectCommand(input));
  }

  sha256(key: ObjectKey): Promise<string> {
    return objectSha256(this.#client, key);
  }
}
