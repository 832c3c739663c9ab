import { isIP, connect as netConnect, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';

/** Takes bytes that came; their memory is used again once it is done. */
export type WriteBytes = (bytes: Uint8Array) => Promise<void>;

/** Bytes of an object, from `start` up to, not including, `end`. */
export type Range = { readonly start: number; readonly end: number };

type Asked = {
  readonly start: number;
  /** Bytes that have not come yet. */
  left: number;
  /** Its head was as expected. */
  isAnswered: boolean;
  /** Nothing more will come. */
  isOver: boolean;
  readonly write: WriteBytes;
  readonly resolve: (isAnswered: boolean) => void;
  readonly reject: (error: unknown) => void;
};

const BUFFER_BYTES = 256 * 1024;
/** With less room than this what came is written, and the other buffer is read into. */
const MIN_ROOM_BYTES = 64 * 1024;
const MAX_HEAD_BYTES = 16 * 1024;
/** Longest silence. */
const TIMEOUT_MS = 10_000;
/** Of a header, so that none ends before its line does. */
const VALUE = /^[\t\x20-\x7e]*$/;

/**
 * A connection to S3 that asks for ranges, one after the other, and reads them into memory of its own again and again: one
 * buffer while the other is written. Node's HTTP client takes new memory for all that comes, and more than twice as long.
 *
 * It understands the one answer that S3 gives where all is well, 206 with the range's length. What else comes is left to who
 * asks again in the usual way.
 */
export class RangeConnection {
  readonly #socket: Socket;
  readonly #host: string;
  readonly #buffers = [Buffer.allocUnsafeSlow(BUFFER_BYTES), Buffer.allocUnsafeSlow(BUFFER_BYTES)] as const;
  #current: 0 | 1 = 0;
  /** Of the current buffer: where what was not written yet begins, and ends. */
  #from = 0;
  #filled = 0;
  #isWriting = false;
  /** What is written next. Nothing is read meanwhile. */
  #waiting: Uint8Array | undefined;
  #asked: Asked | undefined;

  /** @param origin the server's address: scheme, host and port */
  constructor({ protocol, hostname, port, host }: URL) {
    this.#host = host;
    const name = hostname.replace(/^\[|\]$/g, '');
    const onread = { buffer: () => this.#room(), callback: (bytes: number) => this.#read(bytes) };
    const address = { host: name, onread, noDelay: true };
    this.#socket =
      protocol === 'https:'
        ? tlsConnect({ ...address, port: Number(port || 443), ...(isIP(name) ? {} : { servername: name }) })
        : netConnect({ ...address, port: Number(port || 80) });
    this.#socket.setTimeout(TIMEOUT_MS, () => this.close());
    // What went wrong is told by the request in the usual way that follows.
    this.#socket.on('error', () => {}).on('close', () => this.#end());
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed;
  }

  /**
   * Asks for a range, when the one before has come.
   * @param path of the request, with its query
   * @returns whether it was answered as expected: then all that came until the connection broke off has been written
   * @throws what `write` does
   */
  get(
    path: string,
    headers: { readonly [name: string]: string },
    { start, end }: Range,
    write: WriteBytes,
  ): Promise<boolean> {
    const fields = Object.entries(headers);
    if (!this.isOpen || !fields.every(([, value]) => VALUE.test(value))) return Promise.resolve(false);
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    this.#asked = { start, left: end - start, isAnswered: false, isOver: false, write, resolve, reject };
    const lines = [
      `GET ${path} HTTP/1.1`,
      `host: ${this.#host}`,
      ...fields.map(([name, value]) => `${name}: ${value}`),
    ];
    this.#socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    return promise;
  }

  close(): void {
    this.#socket.destroy();
  }

  #room(): Uint8Array {
    return this.#buffers[this.#current].subarray(this.#filled);
  }

  /** @returns whether there is room for more */
  #read(bytes: number): boolean {
    const asked = this.#asked;
    this.#filled += bytes;
    if (asked !== undefined && !asked.isAnswered) this.#readHead(asked);
    const came = this.#filled - this.#from;
    // More than was asked for: whose it is can't be told.
    if (asked === undefined || came > asked.left) this.close();
    if (asked?.isAnswered && (came >= asked.left || BUFFER_BYTES - this.#filled < MIN_ROOM_BYTES))
      this.#handOver(asked);
    return this.#waiting === undefined;
  }

  /** Closes the connection where the answer is another one. */
  #readHead(asked: Asked): void {
    const came = this.#buffers[this.#current].subarray(0, this.#filled);
    const end = came.indexOf('\r\n\r\n');
    // Until its end is there nothing of it counts as content.
    this.#from = end < 0 ? this.#filled : end + 4;
    if (end < 0) {
      if (this.#filled > MAX_HEAD_BYTES) this.close();
      return;
    }
    const head = came.toString('latin1', 0, end + 2);
    const header = (name: string): string | undefined => new RegExp(`\r\n${name}: *([^\r]*)\r\n`, 'i').exec(head)?.[1];
    asked.isAnswered =
      /^HTTP\/1\.1 206 /.test(head) &&
      header('content-length') === `${asked.left}` &&
      header('content-range')?.startsWith(`bytes ${asked.start}-`) === true &&
      header('transfer-encoding') === undefined;
    if (!asked.isAnswered) this.close();
  }

  #handOver(asked: Asked): void {
    const piece = this.#buffers[this.#current].subarray(this.#from, Math.min(this.#filled, this.#from + asked.left));
    asked.left -= piece.length;
    this.#current = this.#current === 0 ? 1 : 0;
    this.#from = 0;
    this.#filled = 0;
    if (this.#isWriting) this.#waiting = piece;
    else void this.#write(asked, piece);
  }

  async #write(asked: Asked, first: Uint8Array): Promise<void> {
    this.#isWriting = true;
    try {
      for (let piece: Uint8Array | undefined = first; piece !== undefined; ) {
        await asked.write(piece);
        piece = this.#waiting;
        this.#waiting = undefined;
        // Into the buffer that is written by now.
        if (piece !== undefined) this.#socket.resume();
      }
    } catch (error) {
      this.#asked = undefined;
      asked.reject(error);
      this.close();
    }
    this.#isWriting = false;
    if (asked.left === 0 || asked.isOver) this.#settle(asked);
  }

  /** The connection is closed. */
  #end(): void {
    const asked = this.#asked;
    if (asked === undefined) return;
    asked.isOver = true;
    // Where something waits, the current buffer is empty.
    if (asked.isAnswered && this.#filled > this.#from) this.#handOver(asked);
    if (!this.#isWriting) this.#settle(asked);
  }

  #settle({ isAnswered, resolve }: Asked): void {
    this.#asked = undefined;
    resolve(isAnswered);
  }
}
