// promote, canary, rollback, pin, unpin: what is live.

import type { Publisher } from '../../inference/publisher.ts';
import type { Release } from '../../inference/release.ts';
import { Misuse } from '../failure.ts';
import { type Common, openRepository, publisherOf } from './repository.ts';

export type Changing = Common & { readonly ifLive?: string };

export function promote(model: string, version: string, options: Changing): Promise<void> {
  return change(model, options, (publisher) => publisher.promote(model, version, options));
}

export function canary(model: string, version: string, options: Changing & { weight: string }): Promise<void> {
  const weight = /^(0?\.\d+)$/.test(options.weight) ? Number(options.weight) : Number.NaN;
  if (!(weight > 0 && weight < 1)) {
    throw new Misuse(`--weight is '${options.weight}'; expected a number above 0 and below 1, like 0.1`);
  }
  return change(model, options, (publisher) => publisher.canary(model, { version, weight }, options));
}

export function rollback(model: string, options: Changing & { to?: string; pin?: true }): Promise<void> {
  return change(model, options, (publisher) => publisher.rollBack(model, options.to, options.pin, options));
}

export function pin(model: string, options: Changing): Promise<void> {
  return change(model, options, (publisher) => publisher.pin(model, options));
}

export function unpin(model: string, options: Changing): Promise<void> {
  return change(model, options, (publisher) => publisher.unpin(model, options));
}

async function change(model: string, options: Common, make: (publisher: Publisher) => Promise<Release>): Promise<void> {
  const { repository } = await openRepository(options);
  tell(model, await make(publisherOf(repository, options)), options);
}

/** What is live now. */
export function tell(model: string, { live, canary: tried, pinned }: Release, { json }: Common): void {
  if (json) {
    console.log(JSON.stringify({ model, live, canary: tried, pinned }));
    return;
  }
  const trial = tried === undefined ? '' : `, version ${tried.version} gets ${tried.weight * 100} % of the requests`;
  console.log(`${model}: version ${live} is live${pinned ? ' and pinned' : ''}${trial}`);
}
