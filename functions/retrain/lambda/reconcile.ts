// The Lambda function that looks at all data sets from time to time, so that a lost event only delays.

import { loop } from './loop.ts';

/** @throws AggregateError where some models could not be looked at: an alarm is on the function's errors */
export async function handler(): Promise<void> {
  const considered = await loop().reconciler.reconcile();
  for (const [model, found] of considered) {
    console.log(JSON.stringify({ level: 30, msg: 'reconciled', model, ...found }));
  }
}
