import { inflateSync } from 'node:zlib';

const SIGNATURE_BYTES = 8;
/** Length, type and checksum of a chunk. */
const FRAME_BYTES = 12;
const HEADER_BYTES = 13;
/** What the pixels are made of. Profiles and texts are compressed too, and of any size. */
const NEEDED = ['IHDR', 'PLTE', 'IDAT', 'IEND'];
/** Values of one pixel, by colour type. */
const CHANNELS: { readonly [type: number]: number } = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/**
 * A PNG file with nothing but its pixels, of which there are as many as its header says: a megabyte can inflate to a gigabyte, and a decoder
 * would let it.
 * @param bytes that begin with the signature of a PNG
 * @throws Error with a sentence, where the chunks or the pixels are not whole, or too many
 */
export function plainPng(bytes: Buffer): Buffer {
  const chunks: Buffer[] = [];
  const pixels: Buffer[] = [];
  let header: Buffer | undefined;
  for (let at = SIGNATURE_BYTES, type = ''; type !== 'IEND'; ) {
    if (at + FRAME_BYTES > bytes.length) throw new Error('it breaks off');
    const length = bytes.readUInt32BE(at);
    type = bytes.toString('latin1', at + 4, at + 8);
    const end = at + FRAME_BYTES + length;
    if (end > bytes.length) throw new Error('it breaks off');
    const data = bytes.subarray(at + 8, at + 8 + length);
    if (NEEDED.includes(type)) chunks.push(bytes.subarray(at, end));
    if (type === 'IHDR') header ??= data;
    if (type === 'IDAT') pixels.push(data);
    at = end;
  }
  if (header?.length !== HEADER_BYTES) throw new Error('it has no header');
  try {
    inflateSync(Buffer.concat(pixels), { maxOutputLength: mostBytes(header) });
  } catch {
    throw new Error('its pixels are damaged, or more than its header says');
  }
  return Buffer.concat([bytes.subarray(0, SIGNATURE_BYTES), ...chunks]);
}

/** Of the inflated pixels: each row has a byte more, and an interlaced picture has its rows in up to seven pieces. */
function mostBytes(header: Buffer): number {
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  const bits = header.readUInt8(8) * (CHANNELS[header.readUInt8(9)] ?? 4);
  return height * (Math.ceil((width * bits) / 8) + 4) + 64;
}
