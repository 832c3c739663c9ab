import { CopyObjectCommand, HeadObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { s3Client } from './s3-client.ts';
import { objectSha256, statusOf } from './s3-object.ts';

export type SeedFile = {
  /** The object to make. */
  readonly key: string;
  /** `bucket/key` of the object with its content. */
  readonly source: string;
  /** Of the content, in hexadecimal digits. */
  readonly sha256: string;
  /** `true`: an object that is there is replaced. CloudFormation hands texts on. */
  readonly replace?: 'true';
};

/** A version that exists already has other bytes than the one to be seeded: one of the two would be lost. */
export class SeedConflict extends Error {}

/**
 * Brings files into a bucket, create-only: what is there already stays as it is, unless the file says otherwise. A
 * version's model file comes last, so that a version appears whole.
 *
 * @returns the keys that were created or replaced
 * @throws SeedConflict for a file of a version that exists with other bytes, before any later file is made
 */
export async function seedFiles(bucket: string, files: readonly SeedFile[]): Promise<string[]> {
  const client = s3Client();
  const created: string[] = [];
  for (const file of [...files].sort((a, b) => rank(a) - rank(b))) {
    if (await create(client, bucket, file)) created.push(file.key);
    else if (isOfVersion(file)) await checkSame(client, bucket, file);
  }
  return created;
}

function isOfVersion({ key }: SeedFile): boolean {
  return /\/[1-9][0-9]{0,8}\/[^/]/.test(key);
}

function rank({ key }: SeedFile): number {
  return /\/\d+\/[^/]*\.onnx$/.test(key) ? 1 : 0;
}

/** @returns false when there is such an object that stays */
async function create(client: S3Client, Bucket: string, { key, source, replace }: SeedFile): Promise<boolean> {
  const isOwn = replace === 'true';
  if (!isOwn && (await exists(client, Bucket, key))) return false;
  const CopySource = source.split('/').map(encodeURIComponent).join('/');
  try {
    // The condition is for whoever else writes between the question and this.
    const condition = isOwn ? {} : { IfNoneMatch: '*' };
    const target = { Bucket, Key: key, ChecksumAlgorithm: 'SHA256' } as const;
    await client.send(new CopyObjectCommand({ ...target, ...condition, CopySource }));
    return true;
  } catch (error) {
    if (statusOf(error) === 412) return false;
    throw error;
  }
}

async function exists(client: S3Client, Bucket: string, Key: string): Promise<boolean> {
  try {
    await client.send(new HeadObjectCommand({ Bucket, Key }));
    return true;
  } catch (error) {
    if (statusOf(error) === 404) return false;
    throw error;
  }
}

async function checkSame(client: S3Client, Bucket: string, { key, sha256 }: SeedFile): Promise<void> {
  const found = await objectSha256(client, { Bucket, Key: key });
  if (found === sha256) return;
  throw new SeedConflict(
    `${key} exists with sha256 ${found}, and this deployment brings sha256 ${sha256}; expected the same bytes under ` +
      'a version that exists: give the model a new version number',
  );
}
