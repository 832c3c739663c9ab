import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { isModelName } from '../functions/protocol/names.ts';

export type ArtifactFile = {
  /** Of the file on this machine. */
  readonly path: string;
  /** Below the model repository, with slashes: `digits/1/model.onnx`. */
  readonly key: string;
  readonly bytes: number;
  /** In hexadecimal digits. */
  readonly sha256: string;
};

const MODEL_ARTIFACTS = join(import.meta.dirname, '../model-artifacts');
const BYTES_PER_MB = 1024 ** 2;

/** The files of the project's model repository that a deployment brings along: those of its models, but for hidden ones. */
export function modelArtifacts(folder = MODEL_ARTIFACTS): readonly ArtifactFile[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path, key: relative(folder, path).split(sep).join('/') }))
    .filter(({ key }) => isModelName(key.split('/')[0] ?? '') && /^[^/]+\/[^.]/.test(key) && isForServing(key))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map((file) => {
      const bytes = readFileSync(file.path);
      return { ...file, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
    });
}

/** Of samples only the images, which the service shows; requests are for people beside the folder. */
export function isForServing(path: string): boolean {
  return !/[\\/]samples[\\/](?!.*\.(png|jpe?g|gif|webp|bmp)$)/i.test(path);
}

export function modelNames(files: readonly ArtifactFile[]): string[] {
  return [...new Set(files.map(({ key }) => key.slice(0, key.indexOf('/'))))];
}

/** MB, rounded up. A version is brought to a machine as its plain or as its compiled file. */
export function largestVersionMb(files: readonly ArtifactFile[]): number {
  const bytes = new Map<string, number>();
  for (const { key, bytes: more } of files) {
    const [version] = /^[^/]+\/\d+\/(?!compiled\/)/.exec(key) ?? [];
    if (version !== undefined) bytes.set(version, (bytes.get(version) ?? 0) + more);
  }
  return Math.ceil(Math.max(0, ...bytes.values()) / BYTES_PER_MB);
}
