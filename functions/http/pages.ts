/** A file that people's browsers ask for. */
export type Page = {
  readonly contentType: string;
  /** The Content-Security-Policy that it is delivered with. */
  readonly policy: string;
  /** It holds no secret, and asks for the token itself: a browser can't send one when it opens a page. */
  readonly isPublic?: true;
  read(): Promise<string | Uint8Array<ArrayBuffer>>;
};

/** By the path of their URL. */
export type Pages = ReadonlyMap<string, Page>;

/** The headers of a page: nothing is guessed, framed, or told to others. */
export function pageHeaders({ contentType, policy }: Page): { [name: string]: string } {
  return {
    'Content-Type': contentType,
    'Content-Security-Policy': policy,
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    // The next start of the server may bring another one.
    'Cache-Control': 'no-cache',
  };
}
