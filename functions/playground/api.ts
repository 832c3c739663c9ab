// The public API of the server that this page comes from, and nothing else.

import type { TensorMetadata } from '../protocol/messages.ts';
import { type Answered, type Asked, decodeResponse, encodeRequest } from './wire.ts';

/** What the server says is wrong, in its own sentence. */
export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, sentence: string) {
    super(sentence);
    this.status = status;
  }
}

/** Milliseconds; where the server does not tell, all of it is the network's. */
export type Split = {
  readonly network: number;
  readonly queue: number;
  readonly compute: number;
  readonly other: number;
};

export type IndexEntry = { name: string; version?: string; state?: string; reason?: string };
export type Metadata = { name: string; versions: string[]; inputs: TensorMetadata[]; outputs: TensorMetadata[] };
export type Config = {
  max_batch_size?: number;
  input?: { name: string; format?: string; optional?: boolean }[];
  output?: { name: string; label_filename?: string }[];
  parameters?: { [name: string]: { string_value?: string } };
};
export type Release = {
  live: string;
  canary?: { version: string; weight: number };
  pinned?: true;
  history?: { action: string; version: string; from?: string; at: string; by: string; reason?: string }[];
};
export type Metrics = {
  accuracy?: number;
  accuracy_interval_95?: [number, number];
  correct?: number;
  samples?: number;
};
export type Stats = { version: string; memory_usage?: { byte_size: number }[] };

const TOKEN = 'serverless-onnx-token';

/** Kept until the tab is closed, and sent to nobody but this server. */
export function setToken(token: string): void {
  sessionStorage.setItem(TOKEN, token);
}

export function hasToken(): boolean {
  return sessionStorage.getItem(TOKEN) !== null;
}

/** @throws ApiError */
async function call(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  const token = sessionStorage.getItem(TOKEN);
  if (token !== null) headers.set('Authorization', `Bearer ${token}`);
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers });
  } catch {
    throw new ApiError(0, "the server can't be reached; is it still running?");
  }
  if (response.ok) return response;
  const text = await response.text();
  throw new ApiError(response.status, sentenceOf(text) ?? `the server answered ${response.status} without a reason`);
}

function sentenceOf(text: string): string | undefined {
  try {
    const { error, message } = JSON.parse(text) as { error?: string; message?: string };
    // API Gateway has 'message' where the request never reached the server.
    return error ?? message;
  } catch {
    return undefined;
  }
}

export const modelPath = (model: string, version?: string): string =>
  `/v2/models/${encodeURIComponent(model)}${version === undefined ? '' : `/versions/${version}`}`;

/** @throws ApiError */
export async function getJson<T>(path: string): Promise<T> {
  return (await (await call(path)).json()) as T;
}

/** @throws ApiError */
export async function getText(path: string): Promise<string> {
  return (await call(path)).text();
}

/** @throws ApiError */
export async function getBlob(path: string): Promise<Blob> {
  return (await call(path)).blob();
}

/** What may be missing: a model without a release, a server without metrics. The token's absence is told. */
export async function optional<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) throw error;
    return undefined;
  }
}

/** @throws ApiError */
export async function repositoryIndex(): Promise<IndexEntry[]> {
  return (await (await call('/v2/repository/index', { method: 'POST' })).json()) as IndexEntry[];
}

/**
 * @param verb what is asked of the model
 * @throws ApiError
 */
export async function ask(
  verb: 'infer' | 'explain',
  model: string,
  version: string | undefined,
  asked: Asked,
): Promise<{ answered: Answered; split: Split }> {
  const { headerLength, body } = encodeRequest(asked);
  const started = performance.now();
  const response = await call(`${modelPath(model, version)}/${verb}`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/octet-stream',
      'Inference-Header-Content-Length': String(headerLength),
    },
    body,
  });
  const bytes = new Uint8Array(await response.arrayBuffer());
  const elapsed = performance.now() - started;
  const length = response.headers.get('Inference-Header-Content-Length');
  const answered = decodeResponse(bytes, length === null ? undefined : Number(length));
  return { answered, split: splitOf(response.headers.get('Server-Timing') ?? '', elapsed) };
}

/** @param elapsed milliseconds between the call and its answer, here */
export function splitOf(serverTiming: string, elapsed: number): Split {
  const of = (name: string): number => Number(new RegExp(`\\b${name};dur=([0-9.]+)`).exec(serverTiming)?.[1] ?? 0);
  const [queue, compute, total] = [of('queue'), of('compute'), of('total')];
  return { network: Math.max(0, elapsed - total), queue, compute, other: Math.max(0, total - queue - compute) };
}
