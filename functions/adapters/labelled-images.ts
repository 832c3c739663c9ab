import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelRejected } from '../inference/ports.ts';
import { type Image, readImage } from './image-file.ts';

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
      const read = (): Promise<Image> =>
        readImage(join(folder, path)).catch(({ message }: Error) => {
          throw new ModelRejected(`${path} can't be read: ${message}`);
        });
      found.push({ path, label, read });
    }
  }
  if (found.length === 0) throw new ModelRejected(`${folder} holds no pictures; expected <class>/<file>.png or .jpg`);
  return found;
}
