/** The body of a refusal (RFC 9457). */
export interface Problem {
  readonly type?: string;
  readonly title?: string;
  readonly detail?: string;
  readonly code?: string;
  readonly [member: string]: unknown;
}

/** What went wrong, where the server's answer is not the reply or the actor's rejection. */
export class FolioClientError extends Error {
  override readonly name = "FolioClientError";

  constructor(
    message: string,
    /** The HTTP status; 0 where there was no response. */
    readonly status: number,
    /**
     * The server's code, or one of the client's own: `unreachable` (no response), `unexpected-response` (not
     * Folio's), `message-dead` (the message used up its attempts).
     */
    readonly code: string,
    readonly problem: Problem | undefined,
    options?: ErrorOptions & { retryAfterMs?: number | undefined },
  ) {
    super(message, options);
    this.retryAfterMs = options?.retryAfterMs;
  }

  /** How long the server asks to be left alone. */
  readonly retryAfterMs: number | undefined;

  /** Whether the actor itself said no, by a code that only it knows. */
  get isRejection(): boolean {
    return this.status === 409 && this.problem?.type?.endsWith("/rejected") === true;
  }

  /** Whether the same request may fare better later. 502 and 504 are what gateways say of a lost server. */
  get isTransient(): boolean {
    if (this.status === 409) return this.problem?.type?.endsWith("/message-in-progress") === true;
    return this.code === "unreachable" || [429, 502, 503, 504].includes(this.status);
  }
}
