import { isModelName } from '../protocol/names.ts';
import type { Considered } from './gatekeeper.ts';

/** The part of EventBridge's event of S3 that is read. https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html */
type ObjectCreated = { readonly detail?: { readonly object?: { readonly key?: unknown } } };

const MAX_LOGGED = 500;

/** What an event says has come; only to know where to look. */
export type Upload = {
  readonly model: string;
  /** Below the model's folder, as it may be meant: with and without URL encoding. */
  readonly paths: readonly string[];
};

/** A message of a queue; `body` is an event. */
type Message = { readonly id: string; readonly body: string };

/**
 * Looks once at each model that messages are of.
 *
 * Where files came a moment ago, nothing is done: a message is done with, for the message of the newest file comes later, when all is quiet.
 * That of the newest file itself is left in the queue, and comes again after its visibility timeout. So whatever the clocks say, one message
 * is left that finds the files quiet, and no message comes again and again while an upload goes on.
 *
 * @returns the ids of messages that are to come again
 */
export async function answerUploads(
  messages: readonly Message[],
  consider: (model: string) => Promise<Considered>,
  log: (line: object) => void,
): Promise<string[]> {
  const uploads = messages.flatMap(({ id, body }) => {
    const upload = uploadOf(body);
    if (upload === undefined) log({ level: 40, msg: 'no upload of a model', body: body.slice(0, MAX_LOGGED) });
    return upload === undefined ? [] : [{ id, ...upload }];
  });
  const again: string[] = [];
  for (const [model, ofModel] of Map.groupBy(uploads, (upload) => upload.model)) {
    try {
      const considered = await consider(model);
      const isQuiet = considered.outcome !== 'not-quiet';
      // There may be thousands of newest files.
      const shown = isQuiet ? considered : { outcome: considered.outcome, seconds: considered.seconds };
      log({ level: 30, msg: 'considered', model, messages: ofModel.length, ...shown });
      if (isQuiet) continue;
      const newest = new Set(considered.newest);
      again.push(...ofModel.filter(({ paths }) => paths.some((path) => newest.has(path))).map(({ id }) => id));
    } catch (error) {
      log({ level: 50, msg: 'could not consider', model, error: String((error as Error).stack) });
      again.push(...ofModel.map(({ id }) => id));
    }
  }
  return again;
}

/**
 * Reads the body of a message.
 * @returns undefined for what is no upload of a model's data
 */
export function uploadOf(body: string): Upload | undefined {
  const key = keyOf(body);
  if (key === undefined) return undefined;
  const [, model, path] = /^datasets\/([^/]+)\/(.+)$/s.exec(decoded(key)) ?? [];
  if (model === undefined || path === undefined || !isModelName(model)) return undefined;
  return { model, paths: [path, key.slice(key.indexOf(model) + model.length + 1)] };
}

function keyOf(body: string): string | undefined {
  try {
    const key = (JSON.parse(body) as ObjectCreated | null)?.detail?.object?.key;
    return typeof key === 'string' ? key : undefined;
  } catch {
    return undefined;
  }
}

/** S3's own notifications encode keys, as in a form; those over EventBridge are said not to. */
function decoded(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll('+', ' '));
  } catch {
    return key;
  }
}
