import type { Bucket } from 'aws-cdk-lib/aws-s3';
import type { Places } from '../../functions/retrain/env.ts';

/** The two buckets of models and of data. */
export type RetrainingBuckets = { readonly artifacts: Bucket; readonly datasets: Bucket };

/** What is written about uploads: the judge’s decisions are not for those who write it. */
export const CONTROL = ['control/ledger/', 'control/budget/'];

/** Where the functions find things. */
export function placesIn({ artifacts, datasets }: RetrainingBuckets): Places {
  const below = (prefix: string): string => `s3://${artifacts.bucketName}/${prefix}`;
  return {
    modelRepository: below('models'),
    datasets: `s3://${datasets.bucketName}/datasets`,
    snapshots: below('snapshots'),
    staging: below('staging'),
    ledger: below('control/ledger'),
    decisions: below('control/decisions'),
    budget: below('control/budget'),
  };
}
