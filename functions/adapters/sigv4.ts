import { AwsV4Signer } from 'aws4fetch';

export type Credentials = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
};

export type SignedService = {
  /** As in signatures: `execute-api`. */
  readonly service: string;
  readonly region: string;
  readonly credentials: Credentials;
};

/** A request with AWS Signature Version 4 in its headers. All given headers but a few, like Content-Length, are signed. */
export async function sign(
  { service, region, credentials }: SignedService,
  method: string,
  url: URL,
  headers: Headers,
  body: Uint8Array<ArrayBuffer>,
): Promise<Request> {
  const content = body.length > 0 ? { body: body.buffer.slice(body.byteOffset, body.byteOffset + body.length) } : {};
  const signer = new AwsV4Signer({ ...credentials, service, region, method, url: url.href, headers, ...content });
  const signed = await signer.sign();
  return new Request(signed.url, { method, headers: signed.headers, redirect: 'manual', ...content });
}

/**
 * The headers of a request without a body, with AWS Signature Version 4 among them.
 * @param keys what is made of the credentials for a day, for the next request
 */
export async function signedHeaders(
  { service, region, credentials }: SignedService,
  method: string,
  url: URL,
  headers: { readonly [name: string]: string },
  keys: Map<string, ArrayBuffer>,
): Promise<{ [name: string]: string }> {
  const request = { service, region, method, url: url.href, headers: { ...headers } };
  const signer = new AwsV4Signer({ ...credentials, ...request, cache: keys });
  return Object.fromEntries((await signer.sign()).headers);
}
