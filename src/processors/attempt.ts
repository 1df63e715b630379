import { type ActivityContext, type AnyActivity, ProcessStoppingError } from "../core/activity.ts";
import type { Clock } from "../core/clock.ts";
import { fit } from "../core/errors.ts";
import type { Observer } from "../core/observer.ts";
import type { ActivityProgress } from "../runtime/activity_status.ts";
import type { Entry } from "../runtime/mailbox.ts";
import { checkJson } from "../runtime/turn.ts";
import { isLatestInDoubt, type Work } from "../runtime/work.ts";
import { runAttemptAt } from "./attempt_context.ts";
import { AttemptTimeoutError, isAnswer, mayBeHandedBack } from "./attempt_errors.ts";

/** An entry, and the work of the shard that it is of. */
export interface Job {
  readonly entry: Entry;
  readonly work: Work;
  readonly key: string;
}

/**
 * What came of an attempt. `interrupted`: this process stops, and the next one makes it again. `unsaid`: it is not
 * ours any more, or nothing may be said of it.
 */
export type AttemptEnd =
  | { readonly kind: "done"; readonly output: unknown }
  | { readonly kind: "failed"; readonly error: unknown }
  | { readonly kind: "interrupted" }
  | { readonly kind: "unsaid" };

/** What an attempt needs of its worker. */
export interface AttemptOptions {
  readonly activity: AnyActivity;
  readonly clock: Clock;
  readonly observer?: Observer | undefined;
  readonly payloadBytesMax: number;
  readonly leaseMs: number;
  /** Whether an earlier attempt may have taken place, about which `reconcile` is asked first. */
  readonly asksFirst: boolean;
  /** Whether it was let through to see if a circuit may be closed again. */
  readonly isProbe: boolean;
  /** Told once. */
  readonly ended: (attempt: Attempt, end: AttemptEnd) => void;
}

/**
 * One run of an activity.
 *
 * Invariant: it ends once. What it gives or throws after it has been given up is nobody's.
 */
export class Attempt {
  readonly number: number;
  readonly isProbe: boolean;
  progress: ActivityProgress | undefined;
  /** What came of it; it may still have to be recorded. */
  end: AttemptEnd | undefined;
  /** Of a failed one: whether another attempt may mend it. */
  isRetryable = true;
  #startedAt: number | undefined;
  #isInterrupted = false;
  #leaseUntil = Infinity;
  #cancelLease: () => void = () => {};
  readonly #controller = new AbortController();

  constructor(
    /** Another one with the same message takes its place when its shard is loaded again. */
    public job: Job,
    private readonly options: AttemptOptions,
  ) {
    this.number = job.entry.attempts;
    this.isProbe = options.isProbe;
  }

  get isRunning(): boolean {
    return this.#startedAt !== undefined && !this.end;
  }

  /** How long it has run. */
  get ranMs(): number {
    return this.options.clock.now() - (this.#startedAt ?? this.options.clock.now());
  }

  /** Runs it. Its end is told to `ended`. */
  start(input: unknown): void {
    const { activity, clock } = this.options;
    this.#startedAt = clock.now();
    this.#extend();
    this.#awaitLease();
    runAttemptAt(this.job.entry.message, () => this.#run(activity, input)).then(
      (output) => this.#finish({ kind: "done", output }),
      (error) => this.#finish({ kind: "failed", error }),
    );
  }

  /** Gives it up: it is told to stop, and not listened to any more. */
  abort(reason: Error, end: AttemptEnd): void {
    this.#controller.abort(reason);
    this.#finish(end);
  }

  /** Tells it that this process stops. It may still end by itself, and is listened to. */
  interrupt(): void {
    this.#isInterrupted = true;
    this.#controller.abort(new ProcessStoppingError());
  }

  /** Gives it up because this process stops. */
  handBack(): void {
    this.interrupt();
    this.#finish({ kind: mayBeHandedBack(this.options.activity) ? "interrupted" : "unsaid" });
  }

  async #run(activity: AnyActivity, input: unknown): Promise<unknown> {
    const { id } = this.job.entry.message;
    if (this.options.asksFirst) {
      const given: unknown = await activity.reconcile?.(id, input);
      if (given !== undefined) return this.#parse(activity, given);
      if (this.end) return undefined;
    }
    const { message } = this.job.entry;
    const run = () => activity.run(input, this.#context(id));
    const given = this.options.observer?.around?.(message, run) ?? run();
    return this.#parse(activity, await given);
  }

  #context(idempotencyKey: string): ActivityContext {
    return {
      idempotencyKey,
      signal: this.#controller.signal,
      attempt: this.number,
      heartbeat: (detail) => this.#heartbeat(detail),
    };
  }

  #parse(activity: AnyActivity, given: unknown): unknown {
    const output: unknown = fit(activity.output, given ?? null, `Output of ${activity.name}`);
    // As whoever is told of it will get it, from the disk.
    return JSON.parse(checkJson(`Output of ${activity.name}`, output, this.options.payloadBytesMax));
  }

  #heartbeat(detail: unknown): void {
    if (this.end) return;
    if (detail !== undefined) {
      const json = checkJson(
        `Progress of ${this.options.activity.name}`,
        detail,
        this.options.payloadBytesMax,
      );
      this.progress = { detail: JSON.parse(json), at: this.options.clock.now() };
    }
    this.#extend();
  }

  #extend(): void {
    const { activity: { timeoutMs }, clock, leaseMs } = this.options;
    const startedAt = this.#startedAt ?? clock.now();
    this.#leaseUntil = timeoutMs === undefined ? clock.now() + leaseMs : startedAt + timeoutMs;
  }

  #awaitLease(): void {
    const { activity: { timeoutMs }, clock } = this.options;
    const leftMs = this.#leaseUntil - clock.now();
    this.#cancelLease = clock.after(leftMs, () => {
      if (clock.now() < this.#leaseUntil) return this.#awaitLease();
      const error = new AttemptTimeoutError(
        timeoutMs === undefined
          ? `Nothing was heard of it for ${this.options.leaseMs} ms`
          : `It took longer than ${timeoutMs} ms`,
      );
      this.abort(error, { kind: "failed", error });
    });
  }

  #finish(end: AttemptEnd): void {
    if (this.end) return;
    this.#cancelLease();
    this.end = this.#isInterrupted ? this.#unlessInterrupted(end) : end;
    this.options.ended(this, this.end);
  }

  /** What fails once it was told to stop does so because of that, unless it says otherwise. */
  #unlessInterrupted(end: AttemptEnd): AttemptEnd {
    const isOwn = end.kind !== "failed" || isAnswer(end.error) || !mayBeHandedBack(this.options.activity);
    return isOwn ? end : { kind: "interrupted" };
  }
}

/** When a job may begin. One that a crash has interrupted may at once: who held its lease is gone. */
export function notBefore({ entry, work }: Job): number {
  if (!work.has(entry)) return 0;
  return isLatestInDoubt(entry) ? 0 : entry.nextAttemptAt ?? 0;
}

/** Whether nobody wants it any more. */
export function isTooLate({ entry: { message: { expiresAt } } }: Job, now: number): boolean {
  return expiresAt !== null && now >= expiresAt;
}
