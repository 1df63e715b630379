import { errorMessage, FolioError } from "../core/errors.ts";

/**
 * Whether a shard takes messages, and what it says when it does not.
 *
 * ```
 * starting ──▶ open ◀──▶ recovering
 *     └─────────┴───────────┴──▶ fenced, closed (never left)
 * ```
 *
 * A shard that drains is still open: only nothing new comes in from outside.
 */
export class Serving {
  #state: "starting" | "open" | "recovering" | "fenced" | "closed" = "starting";
  #isDraining = false;

  /** @param committer Takes nothing while it is found out what became of a commit. */
  constructor(
    private readonly shard: number,
    private readonly committer: { readonly isAccepting: boolean },
  ) {}

  /** Whether messages are taken. */
  get isOn(): boolean {
    return this.#state === "open" && !this.#isDraining && this.committer.isAccepting;
  }

  get isFenced(): boolean {
    return this.#state === "fenced";
  }

  get isRecovering(): boolean {
    return this.#state === "recovering";
  }

  /** @throws {FolioError} `draining`, `not-owner`, `store-unavailable`: when the shard takes nothing now. */
  check(): void {
    if (this.#state === "fenced") throw notOwner(this.shard);
    if (this.#isDraining || this.#state === "closed") throw draining();
    if (!this.isOn) throw this.unavailable();
  }

  unavailable(cause?: unknown): FolioError {
    const why = cause === undefined ? "" : `: ${errorMessage(cause)}`;
    return new FolioError("store-unavailable", `Shard ${this.shard} cannot reach its store${why}`, {
      shard: this.shard,
    });
  }

  /** What waited on the disk has been loaded. What came of it since may have been lost or fenced: then no-op. */
  started(): void {
    if (this.#state === "starting") this.#state = "open";
  }

  /** A commit was lost: all is loaded again. */
  recovering(): void {
    if (this.#state === "open" || this.#state === "starting") this.#state = "recovering";
  }

  recovered(): void {
    if (this.#state === "recovering") this.#state = "open";
  }

  draining(): void {
    if (this.#state === "open" || this.#state === "recovering") this.#isDraining = true;
  }

  stopped(state: "fenced" | "closed"): void {
    this.#state = state;
  }
}

export function notOwner(shard: number): FolioError {
  return new FolioError("not-owner", `Shard ${shard} is held by another process`, { shard });
}

export function draining(): FolioError {
  return new FolioError("draining", "This process is stopping", {});
}
