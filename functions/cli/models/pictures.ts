import { stat } from 'node:fs/promises';
import { fileContent } from '../../adapters/content.ts';
import { type LabelledImage, labelledImage, labelledImages } from '../../adapters/labelled-images.ts';
import { type Content, ModelRejected } from '../../inference/ports.ts';
import { samplesOf } from '../../retrain/held-out.ts';
import { Misuse } from '../failure.ts';

/** @throws Misuse for a path that is neither a folder nor a .tar */
export async function checkPictures(option: string, path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || !(found.isDirectory() || path.endsWith('.tar'))) {
    throw new Misuse(`${option} is '${path}'; expected a folder <class>/<file>.png or .jpg, or a .tar of one`);
  }
}

/**
 * The pictures of a folder, or of a .tar.
 * @throws ModelRejected for one without any
 */
export async function picturesAt(path: string): Promise<LabelledImage[]> {
  return (await stat(path)).isDirectory() ? labelledImages(path) : picturesIn(path, await fileContent(path));
}

/**
 * The pictures of a .tar. The files are small, and several models answer them.
 * @param name of the archive, for people
 * @throws ModelRejected for one without any
 */
export async function picturesIn(name: string, archive: Content): Promise<LabelledImage[]> {
  const images: LabelledImage[] = [];
  for await (const { path, bytes } of samplesOf(archive.open())) images.push(labelledImage(path, async () => bytes));
  if (images.length === 0) throw new ModelRejected(`${name} holds no pictures; expected <class>/<file>.png or .jpg`);
  return images;
}
