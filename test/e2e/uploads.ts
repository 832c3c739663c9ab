// Data for training, as people upload them: real digits, and what is wrong with some.

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { ensureVenv } from '../../functions/cli/venv.ts';
import { inParallel } from '../../functions/retrain/in-parallel.ts';
import { contentText } from '../../functions/retrain/snapshot.ts';

/** By `<digit>/<file>`. */
export type Pictures = ReadonlyMap<string, Uint8Array>;

const DIGITS_FOLDER = join(import.meta.dirname, '../train/digits_folder.py');
const AT_ONCE = 16;

/** Uploads the training data of the model `digits`. */
export class Uploads {
  readonly #s3: S3Client;
  readonly #bucket: string;
  readonly #there = new Set<string>();

  constructor(s3: S3Client, bucket: string) {
    this.#s3 = s3;
    this.#bucket = bucket;
  }

  /** Uploads what is not there yet. @returns the id that an upload of just these pictures has */
  async files(pictures: Pictures): Promise<string> {
    const missing = [...pictures].filter(([path]) => !this.#there.has(path));
    await inParallel(missing, AT_ONCE, ([path, bytes]) => this.#put(path, bytes));
    for (const [path] of missing) this.#there.add(path);
    return sha256(contentText(listed(pictures))).slice(0, 16);
  }

  /** Uploads what is not there yet, and a manifest that says that these are all. @returns its id */
  async whole(pictures: Pictures): Promise<string> {
    const id = await this.files(pictures);
    await this.#put('manifest.json', JSON.stringify({ files: listed(pictures) }));
    return id;
  }

  async #put(path: string, Body: string | Uint8Array): Promise<void> {
    await this.#s3.send(new PutObjectCommand({ Bucket: this.#bucket, Key: `datasets/digits/${path}`, Body }));
  }
}

/** The scans that the held-out set does not have. */
export async function realDigits(): Promise<Pictures> {
  const folder = mkdtempSync(join(tmpdir(), 'serverless-onnx-digits-'));
  await promisify(execFile)(await ensureVenv(), [DIGITS_FOLDER, folder]);
  const training = join(folder, 'training');
  const paths = readdirSync(training).flatMap((digit) =>
    readdirSync(join(training, digit)).map((file) => `${digit}/${file}`),
  );
  const pictures = new Map(paths.map((path) => [path, new Uint8Array(readFileSync(join(training, path)))]));
  rmSync(folder, { recursive: true });
  return pictures;
}

/** A few of each digit. */
export function some(digits: Pictures): Pictures {
  const byDigit = Map.groupBy(digits, ([path]) => path.slice(0, 1)).values();
  return new Map([...byDigit].flatMap((ofDigit) => ofDigit.slice(0, 15)));
}

/** With a file that is no picture, as a download that failed leaves it. */
export function withPage(digits: Pictures): Pictures {
  return new Map([...digits, ['0/page.png', new TextEncoder().encode('<html>502 Bad Gateway</html>')]]);
}

/** With one that is among those of another digit too. */
export function withConflict(digits: Pictures): Pictures {
  const [first] = digits.values();
  return new Map([...digits, ['9/again.png', first as Uint8Array]]);
}

/** Each under the name of the next digit: nothing is wrong about the data but what they show. */
export function mislabelled(digits: Pictures): Pictures {
  const next = (path: string): string => `${(Number(path.slice(0, 1)) + 1) % 10}/next-${path.slice(2)}`;
  return new Map([...digits].map(([path, bytes]) => [next(path), bytes]));
}

export function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

function listed(pictures: Pictures): { path: string; sha256: string }[] {
  return [...pictures].map(([path, bytes]) => ({ path, sha256: sha256(bytes) }));
}
