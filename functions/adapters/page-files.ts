import { readFile } from 'node:fs/promises';

/** See functions/http/pages.ts. */
export type Page = {
  readonly contentType: string;
  readonly policy: string;
  readonly isPublic?: true;
  read(): Promise<string | Uint8Array<ArrayBuffer>>;
};

export const HTML = 'text/html; charset=utf-8';
export const SCRIPT = 'text/javascript; charset=utf-8';
export const STYLE = 'text/css; charset=utf-8';
export const SVG = 'image/svg+xml';

export async function bytesOf(path: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await readFile(path));
}
