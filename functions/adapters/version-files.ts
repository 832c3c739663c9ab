const COMPILED = 'compiled/';

/** Whether a file of a version comes along with its model file: a compiled one is brought here without the one it was made from. */
export function comesWith(modelFile: string, path: string): boolean {
  return path.startsWith(COMPILED) === modelFile.startsWith(COMPILED);
}
