/**
 * The closed family of errors that a client may see. Each message is one sentence that says what was wrong, what was
 * got and what is expected, and never holds a path, a stack or a secret. Anything else that is thrown is a defect and
 * reaches the client as a blank 500.
 */
export abstract class ProtocolError extends Error {
  abstract readonly status: 400 | 401 | 403 | 404 | 405 | 413 | 500 | 501 | 503 | 504;
  /** The word under which metrics count it. */
  abstract readonly reason: string;
  /** Seconds after which the same call may succeed, for the Retry-After header. */
  readonly retryAfter: number | undefined = undefined;
}

/** The request itself is wrong. */
export class InvalidRequest extends ProtocolError {
  override readonly status = 400;
  override readonly reason = 'INVALID_REQUEST';
}

export class Unauthorized extends ProtocolError {
  override readonly status = 401;
  override readonly reason = 'UNAUTHORIZED';
}

export class Forbidden extends ProtocolError {
  override readonly status = 403;
  override readonly reason = 'FORBIDDEN';
}

export class NotFound extends ProtocolError {
  override readonly status = 404;
  override readonly reason = 'NOT_FOUND';
}

/** A model or version that is not in the repository. Clients look for the first four words, which are Triton's. */
export class UnknownModel extends NotFound {
  constructor(detail: string) {
    super(`Request for unknown model: ${detail}`);
  }
}

export class MethodNotAllowed extends ProtocolError {
  override readonly status = 405;
  override readonly reason = 'METHOD_NOT_ALLOWED';
}

export class TooLarge extends ProtocolError {
  override readonly status = 413;
  override readonly reason = 'TOO_LARGE';
}

/** A well-formed request for something that this server does not do. */
export class Unsupported extends ProtocolError {
  override readonly status = 501;
  override readonly reason = 'UNSUPPORTED';
}

/** The model's process failed at a valid request. */
export class ModelFailed extends ProtocolError {
  override readonly status = 500;
  override readonly reason = 'MODEL_FAILED';
}

/** Nothing is wrong with the request: later it may succeed. */
export class Unavailable extends ProtocolError {
  override readonly status = 503;
  override readonly reason: string = 'UNAVAILABLE';
  override readonly retryAfter: number | undefined;

  constructor(message: string, retryAfter?: number) {
    super(message);
    this.retryAfter = retryAfter;
  }
}

/** The queue of the model is full. */
export class Overloaded extends Unavailable {
  override readonly reason = 'REJECTED';
}

export class DeadlineExceeded extends ProtocolError {
  override readonly status = 504;
  override readonly reason = 'DEADLINE_EXCEEDED';
}
