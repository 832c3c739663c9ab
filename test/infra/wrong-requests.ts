// Requests of SageMaker, held against AWS's own model of the API.

import { execFileSync } from 'node:child_process';
import { ensureVenv } from '../../functions/cli/venv.ts';

/** What is wrong with each request, '' where nothing is. */
export async function wrongIn(operation: string, requests: readonly object[]): Promise<string[]> {
  const script = `${import.meta.dirname}/wrong_requests.py`;
  const input = JSON.stringify(requests);
  return JSON.parse(execFileSync(await ensureVenv(), [script, operation], { input, encoding: 'utf8' }));
}
