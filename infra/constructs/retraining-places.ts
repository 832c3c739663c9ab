import type { Bucket } from 'aws-cdk-lib/aws-s3';
import type { Places } from '../../functions/retrain/env.ts';

/** The two buckets of models and of data. */
export type RetrainingBuckets = { readonly artifacts: Bucket; readonly datasets: Bucket };

/** Where the functions find things. */
export function placesIn({ artifacts, datasets }: RetrainingBuckets): Places {
  const below = (prefix: string): string => `s3://${artifacts.bucketName}/${prefix}`;
  return {
    modelRepository: below('models'),
    datasets: `s3://${datasets.bucketName}/datasets`,
    snapshots: below('snapshots'),
    staging: below('staging'),
    ledger: below('control/ledger'),
    budget: below('control/budget'),
  };
}
