import type { Outcome } from "../core/message.ts";
import type { Waiter } from "./mailbox.ts";

export interface Answered {
  readonly messageId: string;
  readonly correlationId: string;
  readonly actor: string;
  readonly shard: number;
}

/** The message is on disk and will be handled. */
export type Accepted = Answered & { readonly status: "accepted" };
/** What became of a command. `token` names what has to be seen to see its effect. */
export type Answer = Accepted | (Answered & Outcome & { readonly token: string });

/** Who has sent a command and waits: for its outcome, or only until it is on disk. Told once. */
export class Caller implements Waiter {
  #isOver = false;
  #cancelTimer: (() => void) | undefined;

  /** @param left Called once, when the caller waits no more. */
  constructor(
    private readonly answered: Answered,
    readonly wantsOutcome: boolean,
    private readonly resolve: (answer: Answer) => void,
    private readonly reject: (error: unknown) => void,
    private readonly left: () => void,
  ) {}

  /** @param cancel Of what happens when the caller has waited too long. */
  waitsUntil(cancel: () => void): void {
    if (this.#isOver) cancel();
    else this.#cancelTimer = cancel;
  }

  handled(outcome: Outcome): void {
    if (this.#isOver) return;
    this.#end();
    if (!this.wantsOutcome) return this.resolve({ ...this.answered, status: "accepted" });
    const token = `${this.answered.shard}.${outcome.position}`;
    this.resolve({ ...this.answered, ...outcome, token });
  }

  admitted(): void {
    if (this.#isOver) return;
    this.#end();
    this.resolve({ ...this.answered, status: "accepted" });
  }

  failed(error: unknown): void {
    if (this.#isOver) return;
    this.#end();
    this.reject(error);
  }

  #end(): void {
    this.#isOver = true;
    this.#cancelTimer?.();
    this.left();
  }
}
