import { readFile } from 'node:fs/promises';
import { decode as decodePng } from 'fast-png';
import jpeg from 'jpeg-js';

/** Red, green and blue of each pixel, row by row, from 0 to 255; a grey picture has three times the same. */
export type Image = { readonly width: number; readonly height: number; readonly rgb: Uint8Array };

/** Larger pictures are refused before they are decoded into memory. */
const MAX_MEGAPIXELS = 50;
/** The signature, and the first chunk, which has the size. */
const PNG_HEADER_BYTES = 24;

/** A file that is neither PNG nor JPEG. */
export class OtherFormat extends Error {}

/** More pixels than are decoded. */
export class TooManyPixels extends Error {}

/**
 * Reads a PNG or JPEG file. Transparency is left out.
 * @throws Error with a sentence that does not name the file
 */
export async function readImage(path: string): Promise<Image> {
  return decodeImage(await readFile(path));
}

/**
 * Decodes the bytes of a PNG or JPEG file, as `readImage` does.
 * @throws OtherFormat, TooManyPixels, or another Error where the file is damaged
 */
export function decodeImage(bytes: Uint8Array): Image {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view[0] === 0xff && view[1] === 0xd8) return decodeJpeg(view);
  if (view.length < 4 || view.readUInt32BE(0) !== 0x89504e47) throw new OtherFormat('it is neither PNG nor JPEG');
  const pixels = view.length < PNG_HEADER_BYTES ? 0 : view.readUInt32BE(16) * view.readUInt32BE(20);
  if (pixels > MAX_MEGAPIXELS * 1e6) {
    throw new TooManyPixels(`it has ${pixels} pixels; expected at most ${MAX_MEGAPIXELS}e6`);
  }
  const { width, height, data, channels, depth, palette } = decodePng(view);
  if (palette === undefined) return { width, height, rgb: toRgb(data, channels, 2 ** depth - 1) };
  const rgb = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    return palette[data[Math.floor(i / 3)] as number]?.[i % 3] ?? 0;
  });
  return { width, height, rgb };
}

function decodeJpeg(bytes: Buffer): Image {
  try {
    const { width, height, data } = jpeg.decode(bytes, { useTArray: true, maxResolutionInMP: MAX_MEGAPIXELS });
    return { width, height, rgb: toRgb(data, 4, 255) };
  } catch (error) {
    const { message } = error as Error;
    if (/^max(ResolutionInMP|MemoryUsageInMB) limit exceeded/.test(message)) throw new TooManyPixels(message);
    throw error;
  }
}

/** @param channels grey, grey and alpha, RGB, or RGB and alpha */
function toRgb(data: ArrayLike<number>, channels: number, max: number): Uint8Array {
  const colours = channels < 3 ? 1 : 3;
  return Uint8Array.from({ length: (data.length / channels) * 3 }, (_, i) => {
    const at = Math.floor(i / 3) * channels + (colours === 1 ? 0 : i % 3);
    return Math.round(((data[at] as number) * 255) / max);
  });
}
