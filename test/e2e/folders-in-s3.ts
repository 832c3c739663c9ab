// Folders of this machine and prefixes of a bucket, as SageMaker copies one to the other.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { GetObjectCommand, PutObjectCommand, paginateListObjectsV2, type S3Client } from '@aws-sdk/client-s3';
import { inParallel } from '../../functions/retrain/in-parallel.ts';

const AT_ONCE = 16;

/** @param uri `s3://bucket/prefix` */
export async function download(s3: S3Client, uri: string, folder: string): Promise<void> {
  const { Bucket, prefix } = placeOf(uri);
  const keys: string[] = [];
  for await (const { Contents = [] } of paginateListObjectsV2({ client: s3 }, { Bucket, Prefix: prefix })) {
    keys.push(...Contents.map(({ Key = '' }) => Key));
  }
  await inParallel(keys, AT_ONCE, async (Key) => {
    const file = join(folder, Key.slice(prefix.length));
    const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, (await Body?.transformToByteArray()) ?? '');
  });
}

/** @param uri `s3://bucket/prefix` */
export async function upload(s3: S3Client, folder: string, uri: string): Promise<void> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
  const { Bucket, prefix } = placeOf(uri);
  await inParallel(files, AT_ONCE, async (file) => {
    const Key = `${prefix}${file.split(sep).join('/')}`;
    await s3.send(new PutObjectCommand({ Bucket, Key, Body: readFileSync(join(folder, file)) }));
  });
}

function placeOf(uri: string): { Bucket: string; prefix: string } {
  const [, Bucket = '', path = ''] = /^s3:\/\/([^/]+)\/(.+?)\/?$/.exec(uri) ?? [];
  return { Bucket, prefix: `${path}/` };
}
