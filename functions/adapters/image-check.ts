import { createHash } from 'node:crypto';
import { decodeImage, OtherFormat, TooManyPixels } from './image-file.ts';

type Picture = { readonly width: number; readonly height: number; readonly pixelsSha256: string };
type Problem = { readonly code: 'wrong-format' | 'image-size' | 'unreadable-file'; readonly text: string };

/** What a picture shows, as a hash; or why the bytes are none. */
export function pictureOf(bytes: Uint8Array): Picture | Problem {
  try {
    const { width, height, rgb } = decodeImage(bytes);
    const pixelsSha256 = createHash('sha256').update(`${width}x${height}\n`).update(rgb).digest('hex');
    return { width, height, pixelsSha256 };
  } catch (error) {
    const { message } = error as Error;
    if (error instanceof OtherFormat) return { code: 'wrong-format', text: message };
    if (error instanceof TooManyPixels) return { code: 'image-size', text: message };
    return { code: 'unreadable-file', text: message };
  }
}
