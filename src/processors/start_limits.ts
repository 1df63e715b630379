import type { AnyActivity } from "../core/activity.ts";
import type { Clock } from "../core/clock.ts";
import { Circuit, type CircuitStatus, type Verdict } from "./circuit.ts";
import { TokenBucket } from "./token_bucket.ts";

/** What holds for the beginnings of all attempts of an activity: its rate, and its circuit. */
export class StartLimits {
  readonly #bucket: TokenBucket | undefined;
  readonly #circuit: Circuit | undefined;
  #cancelAlarm: () => void = () => {};

  /** @param ready Told when an attempt may begin again, because time has passed. */
  constructor(
    { rateLimit, circuitBreaker }: Pick<AnyActivity, "rateLimit" | "circuitBreaker">,
    private readonly clock: Clock,
    private readonly ready: () => void,
  ) {
    this.#bucket = rateLimit && new TokenBucket(rateLimit);
    this.#circuit = circuitBreaker && new Circuit(circuitBreaker);
  }

  /** Of its circuit, where it has one. */
  get circuit(): CircuitStatus | undefined {
    return this.#circuit?.status(this.clock.now());
  }

  /** Whether an attempt may begin now; if not, `ready` is told when. */
  mayBegin(): boolean {
    const now = this.clock.now();
    const waitMs = Math.max(this.#bucket?.waitMs(now) ?? 0, this.#circuit?.waitMs(now) ?? 0);
    this.#cancelAlarm();
    if (waitMs > 0 && waitMs < Infinity) this.#cancelAlarm = this.clock.after(waitMs, this.ready);
    return waitMs <= 0;
  }

  /** An attempt is about to begin. @returns Whether it is let through to see if the circuit may be closed. */
  take(): boolean {
    this.#bucket?.take();
    return this.#circuit?.begin() ?? false;
  }

  /** It begins now. */
  used(): void {
    this.#bucket?.used(this.clock.now());
  }

  /** It does not begin after all. @param isProbe What `take` gave. */
  giveBack(isProbe: boolean): void {
    this.#bucket?.giveBack();
    this.ended(isProbe, "none");
  }

  /** It has ended. */
  ended(isProbe: boolean, verdict: Verdict, error?: unknown): void {
    this.#circuit?.ended(isProbe, verdict, this.clock.now(), error);
  }

  /** Waits for no time any more. */
  stop(): void {
    this.#cancelAlarm();
  }
}
