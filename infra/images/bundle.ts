import { join } from 'node:path';
import { buildSync } from 'esbuild';

const ROOT = join(import.meta.dirname, '../..');

/**
 * Writes one file that holds a module of functions/ and all that it imports.
 * @param entry from the root of the project
 * @param external packages that the file finds beside it instead
 */
export function bundle(entry: string, outfile: string, external: readonly string[] = []): void {
  buildSync({
    absWorkingDir: ROOT,
    entryPoints: [entry],
    outfile,
    external: [...external],
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    // Names stay as they are: stack traces are read in a log.
    minifySyntax: true,
    minifyWhitespace: true,
    // CommonJS packages in the bundle call `require` for Node's own modules.
    // Under a name of our own, as others import it under its own.
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
    },
    logLevel: 'error',
  });
}
