import { createHash } from 'node:crypto';
import type { ModelRepository } from '../inference/ports.ts';
import { dayOf } from './budget.ts';
import { type DataManifest, MAX_MANIFEST_BYTES, readDataManifest } from './data-manifest.ts';
import { DataChanged, type DataFile, type Dataset } from './datasets.ts';
import { Documents } from './documents.ts';
import type { HeldOut } from './held-out.ts';
import { contentOf, type Decode, inspect } from './inspect.ts';
import { isTerminal, type Ledger, type LedgerEntry, type State } from './ledger.ts';
import { GUARDS, type Guards } from './limits.ts';
import { checkListing, chosen, MANIFEST_FILE, pictures } from './listing.ts';
import { type Queue, withOffer } from './queue.ts';
import { Rejected, type RejectionCode } from './rejection.ts';
import type { Runs } from './runs.ts';
import { contentText, type Snapshots } from './snapshot.ts';
import { guardsOf, labelsOf } from './training-file.ts';
import { type Usable, type Validated, validate } from './validate.ts';

export type GatekeeperParts = {
  readonly dataset: Dataset;
  /** The model repository: training.json, and what the model is. */
  readonly models: ModelRepository;
  /** Of what is below `control/ledger/`. */
  readonly control: ModelRepository;
  readonly snapshots: Snapshots;
  readonly heldOut: HeldOut;
  readonly ledger: Ledger;
  readonly queue: Queue;
  readonly runs: Runs;
  readonly decode: Decode;
  /** In place of what each training.json says. */
  readonly quietSeconds?: number | undefined;
  readonly now: () => Date;
};

/** What came of a look at a model's data set. */
export type Considered =
  /** Nothing is there, or it was changed while it was read: then another event comes. */
  | { readonly outcome: 'empty' | 'changed' }
  /** Files came a moment ago; `newest` are the last of them. Their own events come later. */
  | { readonly outcome: 'not-quiet'; readonly seconds: number; readonly newest: readonly string[] }
  /** The ledger has an entry of this content, and that is that. */
  | { readonly outcome: 'same-content'; readonly id: string; readonly state: State }
  | { readonly outcome: 'rejected'; readonly id: string; readonly code: RejectionCode; readonly text: string }
  | { readonly outcome: 'accepted'; readonly id: string; readonly state: State };

/** `control/ledger/<model>/latest.json`: what was seen last, so that nothing is read twice. */
type Latest = {
  /** Hash of the listing, and of the guards that it was held against. */
  readonly listing: string;
  readonly id: string;
  /** The last upload that was accepted: its manifest knows files by their tags. */
  readonly snapshot?: string;
};

const LATEST_FILE = 'latest.json';
const ID_DIGITS = 16;

/**
 * Decides whether what was uploaded is trained on. It never trusts an event: whatever happened, it looks at all that is there. Nothing is spent
 * before the data was read, held against the limits and copied.
 */
export class Gatekeeper {
  readonly #parts: GatekeeperParts;
  readonly #latest: Documents<Latest>;

  constructor(parts: GatekeeperParts) {
    this.#parts = parts;
    this.#latest = new Documents(parts.control);
  }

  /** Looks at the data set of a model, and does what follows. To look again does no harm. */
  async consider(model: string): Promise<Considered> {
    const { dataset, runs, now } = this.#parts;
    const listedAt = now();
    const files = await dataset.list(model);
    if (files.length === 0) {
      await runs.settle(model);
      return { outcome: 'empty' };
    }
    const guards = await rejectedOr(guardsOf(this.#parts.models, model));
    const said = guards instanceof Rejected ? GUARDS.quietSeconds[0] : guards.quietSeconds;
    const waits = notQuiet(files, this.#parts.quietSeconds ?? said, listedAt);
    if (waits !== undefined) return waits;
    const seen = {
      model,
      listedAt,
      files,
      guards: hashOf(JSON.stringify(guards instanceof Rejected ? guards.message : guards)),
    };
    const latest = await this.#latest.read(model, LATEST_FILE);
    if (latest?.listing === listingOf(seen) && !(await this.#isToBeTriedAgain(seen, latest.id))) {
      return this.#known(seen, latest.id);
    }
    try {
      if (guards instanceof Rejected) throw guards;
      return await this.#examine(seen, guards, latest?.snapshot);
    } catch (error) {
      if (error instanceof DataChanged) return { outcome: 'changed' };
      if (!(error instanceof Rejected)) throw error;
      return this.#reject(seen, listingOf(seen), error, latest?.snapshot);
    }
  }

  /** Reads the data, and lets it in. @throws Rejected for what is seen without reading it, DataChanged */
  async #examine(seen: Seen, guards: Guards, lastSnapshot: string | undefined): Promise<Considered> {
    const { dataset, models, snapshots, heldOut, ledger, decode } = this.#parts;
    const { model } = seen;
    const manifest = await this.#manifest(seen);
    const files = chosen(pictures(seen.files), manifest);
    checkListing(files, guards.limits, await labelsOf(models, model));
    const last = lastSnapshot === undefined ? undefined : await snapshots.manifest(model, lastSnapshot);
    const inspected = await inspect(dataset, model, files, [...(last?.files ?? []), ...(last?.left_out ?? [])], decode);
    const id = hashOf(contentText(inspected));
    const entry = await ledger.entry(model, id);
    if (entry !== undefined && !(await this.#mayReopen(seen, entry))) {
      await this.#remember(seen, id, lastSnapshot);
      return this.#known(seen, id);
    }
    const held = (await heldOut.exists(model)) ? await this.#heldOutPixels(model) : undefined;
    let validated: Validated;
    try {
      validated = validate(inspected, guards.limits, manifest, held);
    } catch (error) {
      if (!(error instanceof Rejected)) throw error;
      return this.#reject(seen, id, error, lastSnapshot);
    }
    return this.#accept(seen, id, validated);
  }

  async #accept(seen: Seen, id: string, validated: Validated): Promise<Considered> {
    const { snapshots, heldOut, ledger, runs, now } = this.#parts;
    const { model, guards } = seen;
    await runs.note(model, id);
    // Where the data change meanwhile the note stays for a while: others may be about to let the same content in.
    if (validated.newHeldOut.length > 0) await heldOut.create(model, this.#contents(model, validated.newHeldOut));
    await snapshots.make(model, id, validated, now());
    const opened = { model, id, guards, listed_at: seen.listedAt.toISOString(), report: validated.report };
    const mayReopen = await this.#reopening(seen);
    const { entry } = await ledger.open(opened, 'accepted', now(), mayReopen);
    await this.#remember(seen, id, id);
    await runs.settle(model);
    return { outcome: 'accepted', id, state: (await ledger.entry(model, id))?.state ?? entry.state };
  }

  async #reject(seen: Seen, id: string, { code, message: text }: Rejected, lastSnapshot?: string): Promise<Considered> {
    const { ledger, runs, now } = this.#parts;
    const { model, guards } = seen;
    const known = await ledger.entry(model, id);
    if (known === undefined || (await this.#mayReopen(seen, known))) {
      await runs.note(model, id);
      const opened = { model, id, guards, listed_at: seen.listedAt.toISOString(), reason: { code, text } };
      const { entry, changed } = await ledger.open(opened, 'rejected', now(), await this.#reopening(seen));
      if (changed) await runs.tell(entry);
    }
    await this.#remember(seen, id, lastSnapshot);
    await runs.settle(model);
    return { outcome: 'rejected', id, code, text };
  }

  /** There is nothing new. What runs may be of this content: then nothing older has to wait for it. */
  async #known({ model, listedAt }: Seen, id: string): Promise<Considered> {
    const { ledger, queue, runs } = this.#parts;
    const at = listedAt.toISOString();
    const before = await ledger.entry(model, id);
    if (before !== undefined && !isTerminal(before.state)) {
      await queue.change(model, (found) => withOffer(found, { id, listed_at: at }, at));
    }
    await runs.settle(model);
    const entry = await ledger.entry(model, id);
    return { outcome: 'same-content', id, state: entry?.state ?? 'accepted' };
  }

  async #isToBeTriedAgain(seen: Seen, id: string): Promise<boolean> {
    const entry = await this.#parts.ledger.entry(seen.model, id);
    return entry === undefined || this.#mayReopen(seen, entry);
  }

  async #mayReopen(seen: Seen, entry: LedgerEntry): Promise<boolean> {
    return (await this.#reopening(seen))(entry);
  }

  /**
   * What was never trained on may be let in again: where the day's budget was used up on another day, where the guards have changed, and where
   * something newer came in between that is not there any more.
   */
  async #reopening({ model, listedAt, guards }: Seen): Promise<(entry: LedgerEntry) => boolean> {
    const { queue, now } = this.#parts;
    const { newest } = await queue.state(model);
    return ({ state, execution, reason, history, guards: before }) => {
      if (execution !== undefined) return false;
      if (state === 'superseded') return newest === undefined || listedAt.toISOString() > newest.listed_at;
      if (state !== 'rejected') return false;
      const isOfToday = history.at(-1)?.at.slice(0, 10) === dayOf(now());
      return before !== guards || (reason?.code === 'budget-exhausted' && !isOfToday);
    };
  }

  async #manifest({ model, files }: Seen): Promise<DataManifest | undefined> {
    const file = files.find(({ path }) => path === MANIFEST_FILE);
    if (file === undefined) return undefined;
    if (file.size > MAX_MANIFEST_BYTES) {
      throw new Rejected(
        'bad-manifest',
        `${MANIFEST_FILE} has ${file.size} bytes; expected at most ${MAX_MANIFEST_BYTES}`,
      );
    }
    return readDataManifest(new TextDecoder().decode((await contentOf(this.#parts.dataset, model, file)).bytes));
  }

  async #heldOutPixels(model: string): Promise<ReadonlySet<string>> {
    const { heldOut, decode } = this.#parts;
    const pixels = new Set<string>();
    for await (const { path, bytes } of heldOut.samples(model)) {
      const decoded = decode(bytes);
      if (!('pixelsSha256' in decoded)) throw new Error(`${path} of the held-out set can't be read: ${decoded.text}`);
      pixels.add(decoded.pixelsSha256);
    }
    return pixels;
  }

  async *#contents(model: string, files: readonly Usable[]): AsyncIterable<{ path: string; bytes: Uint8Array }> {
    for (const file of files) {
      const { bytes, sha256 } = await contentOf(this.#parts.dataset, model, file);
      if (sha256 !== file.sha256) throw new DataChanged(`${file.path} was changed while it was read`);
      yield { path: file.path, bytes };
    }
  }

  async #remember(seen: Seen, id: string, snapshot: string | undefined): Promise<void> {
    const latest = { listing: listingOf(seen), id, ...(snapshot === undefined ? {} : { snapshot }) };
    await this.#latest.update(seen.model, LATEST_FILE, (found) =>
      found?.listing === latest.listing && found.id === id ? found : latest,
    );
  }
}

/** A listing and what it is held against. */
type Seen = {
  readonly model: string;
  readonly listedAt: Date;
  readonly files: readonly DataFile[];
  /** Their hash. */
  readonly guards: string;
};

/**
 * While files come, all wait. A manifest that came last says that nothing more comes.
 *
 * The newest file has come less than `quietSeconds` ago: its own event is delivered so late that it will find the files quiet.
 */
function notQuiet(files: readonly DataFile[], quietSeconds: number, now: Date): Considered | undefined {
  const last = Math.max(...files.map(({ modified }) => modified));
  const newest = files.filter(({ modified }) => modified === last).map(({ path }) => path);
  const seconds = Math.ceil((last + quietSeconds * 1_000 - now.getTime()) / 1_000);
  if (seconds <= 0 || newest.includes(MANIFEST_FILE)) return undefined;
  return { outcome: 'not-quiet', seconds, newest };
}

/** An upload that was not read is known by its listing. */
function listingOf({ files, guards }: Seen): string {
  return hashOf(
    JSON.stringify([guards, files.map(({ path, size, etag, versionId }) => [path, size, etag, versionId])]),
  );
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, ID_DIGITS);
}

async function rejectedOr<T>(answer: Promise<T>): Promise<T | Rejected> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof Rejected) return error;
    throw error;
  }
}
