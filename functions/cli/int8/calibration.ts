import { createHash } from 'node:crypto';
import type { Image } from '../../adapters/image-file.ts';
import type { LabelledImage } from '../../adapters/labelled-images.ts';
import { Failure } from '../failure.ts';
import { picturesAt } from '../models/pictures.ts';

/** More pictures hardly change the ranges that are found in them. */
const MOST = 200;
const LEAST = 10;
/** Without pictures of its own a calibration takes every fifth of the held-out set, and the others judge. */
const SHARE = 5;

export type Split = {
  readonly calibration: readonly LabelledImage[];
  /** What judges: nothing of it has calibrated. */
  readonly judging: readonly LabelledImage[];
  /** Where the calibration's pictures are from, for people. */
  readonly from: string;
};

/**
 * Parts pictures that a static quantisation takes its ranges from, and those that it is judged by.
 * @param given pictures to calibrate with; those that are held out, pixel by pixel, are left alone
 */
export async function splitOf(heldOut: readonly LabelledImage[], given: string | undefined): Promise<Split> {
  if (given === undefined) {
    const own = (i: number): boolean => i % SHARE === 0;
    const calibration = checked(heldOut.filter((_, i) => own(i)));
    return {
      calibration,
      judging: heldOut.filter((_, i) => !own(i)),
      from: `every ${SHARE}th picture of the held-out set, which does not judge`,
    };
  }
  const held = new Set<string>();
  for (const image of heldOut) held.add(pixelsOf(await image.read()));
  const all = await picturesAt(given);
  const others: LabelledImage[] = [];
  for (const image of all) if (!held.has(pixelsOf(await image.read()))) others.push(image);
  const left = all.length - others.length;
  const from = `${given}${left === 0 ? '' : `, without the ${left} of its pictures that are held out`}`;
  return { calibration: checked(others), judging: heldOut, from };
}

/** As many as are of use, from all classes. */
function checked(images: readonly LabelledImage[]): LabelledImage[] {
  if (images.length < LEAST) {
    throw new Failure(
      `there are ${images.length} pictures to calibrate with that are not held out; expected at least ${LEAST} ` +
        '(--calibration)',
    );
  }
  const step = Math.max(1, images.length / MOST);
  return Array.from({ length: Math.min(MOST, images.length) }, (_, i) => images[Math.floor(i * step)] as LabelledImage);
}

/** The same picture in another file is the same picture. */
function pixelsOf({ width, height, rgb }: Image): string {
  return createHash('sha256').update(`${width} ${height} `).update(rgb).digest('hex');
}
