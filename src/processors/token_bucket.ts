import { Queue } from "../runtime/mailbox.ts";

/**
 * So many of something in a time: a bucket of `limit` tokens, each of which comes back `perMs` after it was used.
 * In no stretch of `perMs`, wherever it begins, are there more than `limit` uses.
 */
export class TokenBucket {
  /** Taken, and not yet used. */
  #taken = 0;
  /** When those that were used come back, soonest first. */
  readonly #backAt = new Queue<number>();

  constructor(private readonly rate: { readonly limit: number; readonly perMs: number }) {}

  /** Until there is a token: 0 if there is one, Infinity where all are taken and none was used yet. */
  waitMs(now: number): number {
    this.#refill(now);
    if (this.#taken + this.#backAt.length < this.rate.limit) return 0;
    return (this.#backAt.peek() ?? Infinity) - now;
  }

  /** Until all tokens are there. */
  fullInMs(now: number): number {
    this.#refill(now);
    const last = this.#backAt.last();
    return this.#taken > 0 ? Infinity : last === undefined ? 0 : last - now;
  }

  /** Takes a token. What it is for is not yet begun. */
  take(): void {
    this.#taken++;
  }

  /** What a token was taken for begins now. */
  used(now: number): void {
    this.#taken--;
    this.#backAt.push(now + this.rate.perMs);
  }

  /** What a token was taken for does not begin. */
  giveBack(): void {
    this.#taken--;
  }

  #refill(now: number): void {
    // Later than that is none, unless the clock went back.
    const isBack = (at: number | undefined) => at !== undefined && (at <= now || at > now + this.rate.perMs);
    while (isBack(this.#backAt.peek())) this.#backAt.shift();
  }
}
