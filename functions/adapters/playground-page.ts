import { join } from 'node:path';
import { bytesOf, HTML, type Page, SCRIPT, STYLE, SVG } from './page-files.ts';

const FOLDER = join(import.meta.dirname, '../playground');

/** Nothing from elsewhere, no script and no style in place; pictures also from what the page itself has read. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; " +
  "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const page = (contentType: string, read: Page['read']): Page => ({ contentType, policy, isPublic: true, read });
const file = (name: string, contentType: string): Page => page(contentType, () => bytesOf(join(FOLDER, name)));

let bundled: Promise<Uint8Array<ArrayBuffer>> | undefined;

/**
 * The page's TypeScript as one script. It is made when somebody first asks for the page, in a fraction of a second: a
 * server that only computes never loads esbuild, and whoever changes the page needs no build.
 */
function script(): Promise<Uint8Array<ArrayBuffer>> {
  bundled ??= bundle().catch((error) => {
    bundled = undefined;
    throw error;
  });
  return bundled;
}

async function bundle(): Promise<Uint8Array<ArrayBuffer>> {
  const esbuild = await import('esbuild');
  try {
    const { outputFiles } = await esbuild.build({
      entryPoints: [join(FOLDER, 'main.ts')],
      bundle: true,
      minify: true,
      write: false,
      format: 'esm',
      target: 'es2023',
      legalComments: 'inline',
      logLevel: 'silent',
    });
    return new Uint8Array(outputFiles[0]?.contents ?? []);
  } finally {
    // Its process would wait for more.
    await esbuild.stop();
  }
}

/** The playground, all of it from this machine, by path. */
export const playgroundPage: ReadonlyMap<string, Page> = new Map([
  ['/', file('index.html', HTML)],
  ['/playground/main.js', page(SCRIPT, script)],
  ['/playground/style.css', file('style.css', STYLE)],
  ['/playground/icon.svg', file('icon.svg', SVG)],
]);
