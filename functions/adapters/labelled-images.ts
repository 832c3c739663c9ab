import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelRejected } from '../inference/ports.ts';
import { decodeImage, type Image } from './image-file.ts';

export type LabelledImage = { readonly path: string; readonly label: string; read(): Promise<Image> };

/**
 * The pictures of a folder `<class>/<file>.png|jpg|jpeg`, in a fixed order.
 * @throws ModelRejected for a folder without any
 */
export async function labelledImages(folder: string): Promise<LabelledImage[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const classes = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.')).map(({ name }) => name);
  const found: LabelledImage[] = [];
  for (const label of classes.sort()) {
    for (const name of (await readdir(join(folder, label))).sort()) {
      if (!/\.(png|jpe?g)$/i.test(name)) continue;
      const path = `${label}/${name}`;
      found.push(labelledImage(path, () => readFile(join(folder, path))));
    }
  }
  if (found.length === 0) throw new ModelRejected(`${folder} holds no pictures; expected <class>/<file>.png or .jpg`);
  return found;
}

/** @param path `<class>/<file>` */
export function labelledImage(path: string, bytes: () => Promise<Uint8Array>): LabelledImage {
  const read = async (): Promise<Image> => {
    try {
      return decodeImage(await bytes());
    } catch (error) {
      throw new ModelRejected(`${path} can't be read: ${(error as Error).message}`);
    }
  };
  return { path, label: path.slice(0, path.indexOf('/')), read };
}
