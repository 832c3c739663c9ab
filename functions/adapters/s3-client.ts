import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';

/** A client of S3, or of what AWS_ENDPOINT_URL names. */
export function s3Client(config: S3ClientConfig = {}): S3Client {
  // An endpoint of one's own is seldom reached by names of buckets.
  const forcePathStyle = process.env.AWS_ENDPOINT_URL !== undefined || process.env.AWS_ENDPOINT_URL_S3 !== undefined;
  return new S3Client({ forcePathStyle, ...config });
}
