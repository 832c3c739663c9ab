import { GetObjectCommand, HeadObjectCommand, type S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import { sha256Of } from './content.ts';

export type ObjectKey = { readonly Bucket: string; readonly Key: string };

/** The HTTP status that S3 answered with; undefined where it did not answer. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}

/** The sha256 of an object's content, in hexadecimal digits: as S3 has checked it, or else by reading the object. */
export async function objectSha256(client: S3Client, key: ObjectKey): Promise<string> {
  const { ChecksumSHA256, ChecksumType } = await client.send(
    new HeadObjectCommand({ ...key, ChecksumMode: 'ENABLED' }),
  );
  // The checksum of an object that came in parts is one of the parts' checksums.
  if (ChecksumSHA256 !== undefined && ChecksumType === 'FULL_OBJECT') {
    return Buffer.from(ChecksumSHA256, 'base64').toString('hex');
  }
  const { Body } = await client.send(new GetObjectCommand(key));
  return sha256Of(Body as AsyncIterable<Uint8Array>);
}
