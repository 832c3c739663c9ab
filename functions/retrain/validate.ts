import type { DataManifest } from './data-manifest.ts';
import type { Inspected } from './inspect.ts';
import type { Limits } from './limits.ts';
import { checkCounts, classOf, countsOf } from './listing.ts';
import { named, printable, Rejected } from './rejection.ts';

/** What was found in an upload, for people. */
export type Report = {
  readonly files: number;
  readonly bytes: number;
  /** How many pictures of each class are trained on. */
  readonly classes: { readonly [name: string]: number };
  readonly leftOut: { readonly duplicates: number; readonly heldOut: number };
};

/** An upload that is good to train on. */
export type Validated = {
  readonly used: readonly Usable[];
  readonly leftOut: readonly (Usable & { readonly reason: LeftOut })[];
  /** Where the model has no held-out set: what becomes it, which is left out for that reason. */
  readonly newHeldOut: readonly Usable[];
  readonly report: Report;
};

export type LeftOut = 'duplicate' | 'held-out';
export type Usable = Inspected & { readonly picture: NonNullable<Inspected['picture']> };

/** One picture in so many is held out, where there is no held-out set. */
const HELD_OUT_SHARE = 5;

/**
 * Holds what was read of an upload against the limits.
 * @param heldOut the `pixelsSha256` of the model's held-out set; undefined where there is none
 * @throws Rejected
 */
export function validate(
  files: readonly Inspected[],
  limits: Limits,
  manifest: DataManifest | undefined,
  heldOut: ReadonlySet<string> | undefined,
): Validated {
  checkHashes(files, manifest);
  const usable = checkPictures(files, limits);
  const { first, duplicates } = withoutDuplicates(usable, limits);
  const outside = heldOut ?? new Set(fifthOfEachClass(first).map(({ picture }) => picture.pixelsSha256));
  const [held, used] = split(first, ({ picture }) => outside.has(picture.pixelsSha256));
  checkOverlap(heldOut === undefined ? [] : held, first, limits);
  const are = 'without duplicates and the held-out set there are';
  checkCounts(used, limits, are, countsOf(files).keys());
  const leftOut = [
    ...duplicates.map((file) => ({ ...file, reason: 'duplicate' as const })),
    ...held.map((file) => ({ ...file, reason: 'held-out' as const })),
  ];
  const report = {
    files: files.length,
    bytes: files.reduce((sum, { size }) => sum + size, 0),
    classes: Object.fromEntries(countsOf(used)),
    leftOut: { duplicates: duplicates.length, heldOut: held.length },
  };
  return { used, leftOut, newHeldOut: heldOut === undefined ? held : [], report };
}

function checkHashes(files: readonly Inspected[], manifest: DataManifest | undefined): void {
  const others = files.filter(({ path, sha256 }) => manifest !== undefined && manifest.get(path) !== sha256);
  if (others.length === 0) return;
  const paths = named(others.map(({ path }) => path));
  throw new Rejected(
    'hash-mismatch',
    `${others.length} files are not those of manifest.json: ${paths}; expected their sha256`,
  );
}

function checkPictures(files: readonly Inspected[], { minSide, maxSide }: Limits): readonly Usable[] {
  const problems = files.flatMap(({ path, picture, problem }) => {
    if (problem !== undefined) return { path, ...problem };
    const { width, height } = picture as Usable['picture'];
    if (Math.min(width, height) >= minSide && Math.max(width, height) <= maxSide) return [];
    const text = `it has ${width} x ${height} pixels; expected sides of ${minSide} to ${maxSide} (limits.minSide, limits.maxSide)`;
    return { path, code: 'image-size' as const, text };
  });
  const [worst] = problems;
  if (worst === undefined) return files as readonly Usable[];
  const alike = problems.filter(({ code }) => code === worst.code).map(({ path }) => path);
  const text = `${alike.length} files can't be used: ${named(alike)}; of the first: ${printable(worst.text)}`;
  throw new Rejected(worst.code, text);
}

/** Of equal pictures the first by path stays. @throws Rejected where they are in several classes, or too many */
function withoutDuplicates(
  files: readonly Usable[],
  { maxDuplicateShare }: Limits,
): { first: readonly Usable[]; duplicates: readonly Usable[] } {
  const byPixels = Map.groupBy(files, ({ picture }) => picture.pixelsSha256);
  const conflicts = [...byPixels.values()].filter((same) => new Set(same.map(({ path }) => classOf(path))).size > 1);
  if (conflicts.length > 0) {
    const shown = named(conflicts.map((same) => same.map(({ path }) => path).join(' = ')));
    throw new Rejected(
      'conflicting-labels',
      `${conflicts.length} pictures are in several classes: ${shown}; expected one`,
    );
  }
  const [first, duplicates] = split(files, (file) => byPixels.get(file.picture.pixelsSha256)?.[0] === file);
  if (duplicates.length > maxDuplicateShare * files.length) {
    const paths = named(duplicates.map(({ path }) => path));
    throw new Rejected(
      'duplicates',
      `${duplicates.length} of ${files.length} files show what another one shows: ${paths}; expected a share of at most ` +
        `${maxDuplicateShare} (limits.maxDuplicateShare)`,
    );
  }
  return { first, duplicates };
}

/** The first by hash, so that whoever chooses again chooses the same. */
function fifthOfEachClass(files: readonly Usable[]): readonly Usable[] {
  return [...Map.groupBy(files, ({ path }) => classOf(path)).values()].flatMap((ofClass) =>
    ofClass
      .toSorted((a, b) => (a.sha256 < b.sha256 ? -1 : 1))
      .slice(0, Math.max(1, Math.floor(ofClass.length / HELD_OUT_SHARE))),
  );
}

function checkOverlap(held: readonly Usable[], all: readonly Usable[], { maxOverlapShare }: Limits): void {
  if (held.length <= maxOverlapShare * all.length) return;
  const paths = named(held.map(({ path }) => path));
  throw new Rejected(
    'held-out-overlap',
    `${held.length} of ${all.length} pictures are in the held-out set, which must not be trained on: ${paths}; expected a share of at most ` +
      `${maxOverlapShare} (limits.maxOverlapShare)`,
  );
}

function split<T>(items: readonly T[], isFirst: (item: T) => boolean): [T[], T[]] {
  return [items.filter(isFirst), items.filter((item) => !isFirst(item))];
}
