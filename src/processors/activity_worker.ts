import type { AnyActivity } from "../core/activity.ts";
import { backoffMs } from "../core/backoff.ts";
import { errorMessage } from "../core/errors.ts";
import { aboutMessage } from "../core/log.ts";
import type { ActivityStatus } from "../runtime/activity_status.ts";
import { entryKey } from "../runtime/loader.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { attemptsInDoubt, isLatestInDoubt, type Work } from "../runtime/work.ts";
import { Attempt, type AttemptEnd, AttemptTimeoutError, type Job } from "./attempt.ts";
import { Circuit } from "./circuit.ts";
import { Lanes } from "./lanes.ts";
import { RunTimes } from "./run_times.ts";
import { TokenBucket } from "./token_bucket.ts";

/** Of attempts that a crash has interrupted, so many times the activity's attempts are made. */
const INTERRUPTED_FACTOR = 2;

/**
 * Performs the work of one activity, of all shards.
 *
 * Invariants:
 * 1. An attempt is on disk before it runs, and counts against the limits from before that until it has ended.
 * 2. Of a message runs one attempt at a time. When its shard is loaded again, an attempt that runs, or whose end
 *    was lost on its way to the disk, is found by its message: it is not made again.
 * 3. What an attempt gives after it was given up is not recorded.
 */
export class ActivityWorker {
  readonly #lanes: Lanes<Job>;
  readonly #bucket: TokenBucket | undefined;
  readonly #circuit: Circuit | undefined;
  readonly #times = new RunTimes();
  /** From the time they are begun until their end is on disk, by message. */
  readonly #attempts = new Map<string, Attempt>();
  /** Jobs that wait for their next attempt, with what cancels that. */
  readonly #waiting = new Map<Job, () => void>();
  /** Jobs that will be too late at some time, likewise. */
  readonly #expiring = new Map<Job, () => void>();
  #running = 0;
  #began = 0;
  #failed = 0;
  #isStopped = false;
  #isPumping = false;
  #cancelAlarm: () => void = () => {};

  constructor(
    private readonly runtime: Runtime,
    private readonly activity: AnyActivity,
    /** Told when nothing runs any more. */
    private readonly idle: () => void,
  ) {
    const { isOrdered, concurrency, rateLimit, keyRateLimit, circuitBreaker } = activity;
    this.#lanes = new Lanes<Job>(
      runtime.clock,
      {
        runningMax: isOrdered ? 1 : concurrency.perKey,
        rate: keyRateLimit,
        notBefore: isOrdered ? notBefore : undefined,
      },
      () => this.#pump(),
    );
    this.#bucket = rateLimit && new TokenBucket(rateLimit);
    this.#circuit = circuitBreaker && new Circuit(circuitBreaker);
  }

  get running(): number {
    return this.#running;
  }

  status(queued: number): ActivityStatus {
    const { p99Ms } = this.#times;
    return {
      name: this.activity.name,
      queued: Math.max(0, queued - this.#running),
      running: this.#running,
      attempts: this.#began,
      failures: this.#failed,
      ...(p99Ms === undefined ? {} : { p99Ms }),
      ...(this.#circuit ? { circuit: this.#circuit.status(this.runtime.clock.now()) } : {}),
    };
  }

  /** The attempt at a message that runs now. */
  attemptAt(message: { readonly id: string; readonly actor: string }): Attempt | undefined {
    const attempt = this.#attempts.get(entryKey(message));
    return attempt?.isRunning ? attempt : undefined;
  }

  /** Takes a job: a new one, or one that was read from the disk. */
  arrived(job: Job): void {
    const known = this.#attempts.get(entryKey(job.entry.message));
    if (known && known.number === job.entry.attempts) {
      known.job = job;
      this.#awaitExpiry(job);
      if (known.end) this.#record(known, known.end);
      return;
    }
    this.#awaitExpiry(job);
    if (job.work.has(job.entry)) this.#offer(job);
    this.#pump();
  }

  /** Forgets what waits of a shard, and, where that is for good, gives up what runs. */
  dropped(work: Work, isForGood: boolean): void {
    this.#lanes.drop((job) => job.work === work);
    for (const timers of [this.#waiting, this.#expiring]) {
      for (const [job, cancel] of timers) {
        if (job.work !== work) continue;
        cancel();
        timers.delete(job);
      }
    }
    if (!isForGood) return;
    for (const [key, attempt] of this.#attempts) {
      if (attempt.job.work !== work) continue;
      this.#attempts.delete(key);
      // One that is about to begin hears of it from its commit.
      if (attempt.isRunning) {
        attempt.abort(new Error("Its shard is held by another process"), { kind: "unsaid" });
      }
    }
  }

  /** Begins nothing any more. */
  drain(): void {
    this.#isStopped = true;
    this.#cancelAlarm();
    this.#lanes.stop();
    for (const timers of [this.#waiting, this.#expiring]) {
      for (const cancel of timers.values()) cancel();
      timers.clear();
    }
  }

  /** Gives up what runs: what came of it is in doubt when the next process finds it. */
  stop(): void {
    this.drain();
    for (const attempt of this.#attempts.values()) {
      if (attempt.isRunning) attempt.abort(new Error("This process is stopping"), { kind: "unsaid" });
    }
  }

  #offer(job: Job): void {
    const waitMs = notBefore(job) - this.runtime.clock.now();
    // Where order counts, the lane waits with it.
    if (this.activity.isOrdered || waitMs <= 0) return this.#lanes.push(job.key, job);
    this.#waiting.set(
      job,
      this.runtime.clock.after(waitMs, () => {
        this.#waiting.delete(job);
        this.#lanes.push(job.key, job);
        this.#pump();
      }),
    );
  }

  /** Whoever waits for it is told in time that it is too late, also where nothing may begin now. */
  #awaitExpiry(job: Job): void {
    const { clock } = this.runtime;
    const { expiresAt } = job.entry.message;
    if (expiresAt === null) return;
    const expire = () => {
      this.#expiring.delete(job);
      this.#expire(job);
    };
    if (clock.now() >= expiresAt) this.#expire(job);
    else this.#expiring.set(job, clock.after(expiresAt - clock.now(), expire));
  }

  #expire(job: Job): void {
    const { entry, work, key } = job;
    // What has begun may end; what is in doubt is found out about first.
    if (this.#attempts.has(entryKey(entry.message)) || attemptsInDoubt(entry) > 0) return;
    settled(work.expired(entry));
    this.#waiting.get(job)?.();
    this.#waiting.delete(job);
    this.#lanes.refresh(key);
    this.#pump();
  }

  /** A job has come to its end. */
  #over(job: Job): void {
    this.#expiring.get(job)?.();
    this.#expiring.delete(job);
  }

  /** Begins what may begin. */
  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      while (!this.#isStopped && this.#running < this.activity.concurrency.limit && this.#mayBegin()) {
        const job = this.#lanes.next();
        if (!job) return;
        if (!this.#begin(job)) this.#lanes.left(job.key);
      }
    } finally {
      this.#isPumping = false;
    }
  }

  #mayBegin(): boolean {
    const { clock } = this.runtime;
    const now = clock.now();
    const waitMs = Math.max(this.#bucket?.waitMs(now) ?? 0, this.#circuit?.waitMs(now) ?? 0);
    this.#cancelAlarm();
    if (waitMs > 0 && waitMs < Infinity) this.#cancelAlarm = clock.after(waitMs, () => this.#pump());
    return waitMs <= 0;
  }

  /** @returns Whether an attempt has begun; otherwise the job has come to its end without one. */
  #begin(job: Job): boolean {
    const { activity, runtime } = this;
    const { entry, work } = job;
    const { message } = entry;
    if (!work.has(entry)) return false; // it has expired
    const asksFirst = this.#asksFirst(entry);
    if (attemptsInDoubt(entry) > 0 && !asksFirst && !this.#interrupted(job)) return false;
    if (this.#isTooLate(entry) && !asksFirst) {
      return this.#close(job, work.expired(entry));
    }
    let input: unknown;
    try {
      input = runtime.registry.parseActivity(activity, message.input);
    } catch (error) {
      return this.#close(job, work.refuse(entry, error));
    }
    const leaseMs = this.#times.leaseMs;
    const begun = work.begin(entry, runtime.clock.now() + (activity.timeoutMs ?? leaseMs));
    const attempt = new Attempt(job, {
      activity,
      clock: runtime.clock,
      observer: runtime.observer,
      payloadBytesMax: runtime.limits.payloadBytesMax,
      leaseMs,
      asksFirst,
      isProbe: this.#circuit?.begin() ?? false,
      ended: (attempt, end) => this.#ended(attempt, end),
    });
    this.#attempts.set(entryKey(message), attempt);
    this.#bucket?.take();
    this.#running++;
    begun.then(() => this.#run(attempt, input), () => this.#lost(attempt));
    return true;
  }

  /** An attempt was begun by a process that is gone. @returns Whether there may be another one. */
  #interrupted(job: Job): boolean {
    const { delivery, retry } = this.activity;
    const { entry, work } = job;
    const isAtMostOnce = delivery === "at-most-once";
    const isOver = isAtMostOnce || entry.attempts >= retry.attemptsMax * INTERRUPTED_FACTOR;
    const recorded = work.failed(entry, new InterruptedError(isAtMostOnce), isOver ? undefined : 0);
    if (isOver) return this.#close(job, recorded);
    settled(recorded);
    return true;
  }

  /** A job has come to its end without another attempt. */
  #close(job: Job, recorded: Promise<void>): false {
    settled(recorded);
    this.#over(job);
    return false;
  }

  #isTooLate({ message: { expiresAt } }: Job["entry"]): boolean {
    return expiresAt !== null && this.runtime.clock.now() >= expiresAt;
  }

  /** Whether it is first to be asked if an earlier attempt took place; the same of what an operator redrives. */
  #asksFirst(entry: Job["entry"]): boolean {
    if (!this.activity.reconcile) return false;
    return attemptsInDoubt(entry) > 0 || (entry.attempts === 0 && entry.failures.length > 0);
  }

  /** The beginning of an attempt is on disk. */
  #run(attempt: Attempt, input: unknown): void {
    if (attempt.end) return;
    if (this.#isStopped) {
      settled(attempt.job.work.takeBack(attempt.job.entry));
      return this.#lost(attempt);
    }
    this.#began++;
    this.#bucket?.used(this.runtime.clock.now());
    this.#lanes.began(attempt.job.key);
    attempt.start(input);
    this.#pump();
  }

  /** An attempt does not begin after all. */
  #lost(attempt: Attempt): void {
    if (attempt.end) return;
    attempt.end = { kind: "unsaid" };
    this.#forget(attempt);
    this.#bucket?.giveBack();
    this.#circuit?.ended(attempt.isProbe, "none", this.runtime.clock.now());
    this.#lanes.left(attempt.job.key);
    this.#free();
  }

  #ended(attempt: Attempt, end: AttemptEnd): void {
    const { runtime } = this;
    const isFailed = end.kind === "failed";
    const isTimeout = isFailed && end.error instanceof AttemptTimeoutError;
    if (end.kind === "done" || isTimeout) this.#times.add(attempt.ranMs);
    if (isFailed) this.#failed++;
    attempt.isRetryable = isFailed && this.#isRetryable(end.error);
    const verdict = attempt.isRetryable ? "failed" : end.kind === "unsaid" ? "none" : "answered";
    this.#circuit?.ended(attempt.isProbe, verdict, runtime.clock.now(), isFailed ? end.error : undefined);
    this.#record(attempt, end);
    this.#lanes.ended(attempt.job.key);
    this.#free();
  }

  #free(): void {
    this.#running--;
    if (this.#running === 0) this.idle();
    this.#pump();
  }

  /** Records an attempt's end; where its shard is being loaded again, that waits until its entry is back. */
  #record(attempt: Attempt, end: AttemptEnd): void {
    const { entry, work } = attempt.job;
    if (end.kind === "unsaid") return this.#forget(attempt);
    if (!work.has(entry)) return;
    const recorded = end.kind === "done" ? work.done(entry, end.output) : this.#fail(attempt, end.error);
    if (!work.has(entry)) this.#over(attempt.job);
    // When it is lost, the entry comes again, and finds this attempt.
    recorded.then(() => this.#forget(attempt), () => {});
  }

  #fail(attempt: Attempt, error: unknown): Promise<void> {
    const { activity, runtime } = this;
    const { job, isRetryable } = attempt;
    const { entry, work } = job;
    const { retry } = activity;
    // What the circuit lets through to see does not use up the attempts of what it is tried with.
    const isFree = attempt.isProbe && isRetryable && activity.delivery === "at-least-once";
    if (!isFree && (!isRetryable || entry.attempts >= retry.attemptsMax)) {
      return work.failed(entry, error, undefined);
    }
    const delayMs = backoffMs(retry, entry.attempts, runtime.random());
    runtime.log("warn", "Activity failed, will be tried again", {
      ...aboutMessage(entry.message),
      attempt: entry.attempts,
      error: errorMessage(error),
    });
    const recorded = isFree ? work.takeBack(entry) : work.failed(entry, error, delayMs);
    if (this.#isTooLate(entry)) return work.expired(entry);
    if (!this.#isStopped) {
      if (activity.isOrdered) this.#lanes.putFirst(job.key, job);
      else this.#offer(job);
    }
    return recorded;
  }

  #isRetryable(error: unknown): boolean {
    try {
      return this.activity.isRetryable(error);
    } catch (cause) {
      const { name } = this.activity;
      this.runtime.log("error", "isRetryable failed", { activity: name, error: errorMessage(cause) });
      return true;
    }
  }

  #forget(attempt: Attempt): void {
    const key = entryKey(attempt.job.entry.message);
    if (this.#attempts.get(key) === attempt) this.#attempts.delete(key);
  }
}

/** An attempt that was begun, and of which nothing was heard because its process has ended. */
class InterruptedError extends Error {
  override readonly name = "InterruptedError";

  constructor(isAtMostOnce: boolean) {
    super(
      "The process ended during the attempt, and it is not known whether it took place" +
        (isAtMostOnce ? ": it may take place once at the most" : ""),
    );
  }
}

/** When a job may begin. One that a crash has interrupted may at once: who held its lease is gone. */
function notBefore({ entry, work }: Job): number {
  if (!work.has(entry)) return 0;
  return isLatestInDoubt(entry) ? 0 : entry.nextAttemptAt ?? 0;
}

/** Who records it need not wait: when it is lost, the entry comes again as it was. */
function settled(recorded: Promise<void>): void {
  recorded.catch(() => {});
}
