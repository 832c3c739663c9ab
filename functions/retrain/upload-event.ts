import { isModelName } from '../protocol/names.ts';

/** The part of EventBridge's event of S3 that is read. https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html */
type ObjectCreated = { readonly detail?: { readonly object?: { readonly key?: unknown } } };

/** What an event says has come; only to know where to look. */
export type Upload = {
  readonly model: string;
  /** Below the model's folder, as it may be meant: with and without URL encoding. */
  readonly paths: readonly string[];
};

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
