import { join } from 'node:path';
import { type BuildOptions, buildSync } from 'esbuild';

const ROOT = join(import.meta.dirname, '../..');

const OPTIONS: BuildOptions = {
  absWorkingDir: ROOT,
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
};

/**
 * Writes one file that holds a module of functions/ and all that it imports.
 * @param entry from the root of the project
 */
export function bundle(entry: string, outfile: string): void {
  buildSync({ ...OPTIONS, entryPoints: [entry], outfile });
}

/**
 * Writes a file that holds a module of functions/ and what it imports, and files beside it for what is only imported when it is
 * needed: no start reads code that it does not run.
 * @param entry from the root of the project
 * @param name of the file, without ending
 * @param external packages that the files find beside them instead
 */
export function bundleInParts(entry: string, folder: string, name: string, external: readonly string[]): void {
  buildSync({
    ...OPTIONS,
    entryPoints: { [name]: entry },
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    chunkNames: 'parts/[name]-[hash]',
    splitting: true,
    external: [...external],
  });
}

/**
 * Writes one CommonJS file that holds a package and the packages that it needs, without their native parts: it looks for
 * these where it would without this, from `outfile`.
 * @param names of its exports, as Node.js finds them in a file only where they are spelt out
 */
export function bundlePackage(entry: string, outfile: string, names: readonly string[]): void {
  buildSync({
    ...OPTIONS,
    entryPoints: [entry],
    outfile,
    format: 'cjs',
    banner: {},
    footer: { js: `0 && (module.exports = { ${names.join(', ')} });` },
    external: ['*.node'],
  });
}
