import { type AnyActivity, RetryLaterError } from "../core/activity.ts";
import { backoffMs } from "../core/backoff.ts";
import { errorMessage } from "../core/errors.ts";
import { aboutMessage } from "../core/log.ts";
import type { ActivityStatus } from "../runtime/activity_status.ts";
import { entryKey } from "../runtime/loader.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { attemptsInDoubt, type Work } from "../runtime/work.ts";
import {
  Attempt,
  type AttemptEnd,
  AttemptTimeoutError,
  InterruptedError,
  type Job,
  mayBeMended,
  notBefore,
} from "./attempt.ts";
import { Circuit } from "./circuit.ts";
import { JobTimers } from "./job_timers.ts";
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
  /** For jobs that wait for their next attempt. */
  readonly #waiting: JobTimers;
  /** For jobs that will be too late at some time. */
  readonly #expiring: JobTimers;
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
    this.#waiting = new JobTimers(runtime.clock);
    this.#expiring = new JobTimers(runtime.clock);
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
    this.#awaitExpiry(job);
    if (known && known.number === job.entry.attempts) {
      known.job = job;
      if (known.end) this.#record(known, known.end);
    } else if (job.work.has(job.entry)) this.#offer(job);
    this.#pump();
  }

  /** Forgets what waits of a shard, and, where that is for good, gives up what runs. */
  dropped(work: Work, isForGood: boolean): void {
    this.#lanes.drop((job) => job.work === work);
    this.#waiting.clear(work);
    this.#expiring.clear(work);
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
    this.#waiting.clear();
    this.#expiring.clear();
  }

  /** Gives up what runs: what came of it is in doubt when the next process finds it. */
  stop(): void {
    this.drain();
    for (const attempt of this.#attempts.values()) {
      if (attempt.isRunning) attempt.abort(new Error("This process is stopping"), { kind: "unsaid" });
    }
  }

  #offer(job: Job): void {
    // Where order counts, the lane waits with it.
    if (this.activity.isOrdered || notBefore(job) <= this.runtime.clock.now()) {
      return this.#lanes.push(job.key, job);
    }
    this.#waiting.set(job, notBefore(job), () => {
      this.#lanes.push(job.key, job);
      this.#pump();
    });
  }

  /** Whoever waits for it is told in time that it is too late, also where nothing may begin now. */
  #awaitExpiry(job: Job): void {
    const { expiresAt } = job.entry.message;
    if (expiresAt === null) return;
    if (this.#isTooLate(job.entry)) this.#expire(job);
    else this.#expiring.set(job, expiresAt, () => this.#expire(job));
  }

  #expire(job: Job): void {
    const { entry, work, key } = job;
    // What has begun may end; what is in doubt is found out about first.
    if (this.#attempts.has(entryKey(entry.message)) || attemptsInDoubt(entry) > 0) return;
    settled(work.expired(entry));
    this.#waiting.cancel(job);
    this.#lanes.refresh(key);
    this.#pump();
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
    if (attemptsInDoubt(entry) > 0 && !this.#mayResume(job, asksFirst)) return false;
    if (this.#isTooLate(entry) && !asksFirst) return this.#close(job, work.expired(entry));
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
  #mayResume(job: Job, asksFirst: boolean): boolean {
    const { delivery, retry } = this.activity;
    const { entry, work } = job;
    const isOnce = delivery === "at-most-once" && !asksFirst;
    const isOver = isOnce || entry.attempts >= retry.attemptsMax * INTERRUPTED_FACTOR;
    if (asksFirst && !isOver) return true;
    const recorded = work.failed(entry, new InterruptedError(isOnce), isOver ? undefined : 0);
    if (isOver) return this.#close(job, recorded);
    settled(recorded);
    return true;
  }

  /** A job has come to its end without another attempt. */
  #close(job: Job, recorded: Promise<void>): false {
    settled(recorded);
    this.#expiring.cancel(job);
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
    const { clock, log } = this.runtime;
    const error = end.kind === "failed" ? end.error : undefined;
    if (end.kind === "done" || error instanceof AttemptTimeoutError) this.#times.add(attempt.ranMs);
    if (end.kind === "failed") this.#failed++;
    attempt.isRetryable = end.kind === "failed" && mayBeMended(this.activity, error, log);
    const verdict = attempt.isRetryable ? "failed" : end.kind === "unsaid" ? "none" : "answered";
    this.#circuit?.ended(attempt.isProbe, verdict, clock.now(), error);
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
    if (!work.has(entry)) this.#expiring.cancel(attempt.job);
    // When it is lost, the entry comes again, and finds this attempt.
    recorded.then(() => this.#forget(attempt), () => {});
  }

  #fail(attempt: Attempt, error: unknown): Promise<void> {
    const { activity, runtime } = this;
    const { job, isRetryable } = attempt;
    const { entry, work } = job;
    const { retry } = activity;
    // What the circuit lets through to see does not use up the attempts of what it is tried with.
    const later = error instanceof RetryLaterError ? error : undefined;
    const isFree = (attempt.isProbe || later?.isCounted === false) && isRetryable &&
      activity.delivery === "at-least-once";
    if (!isFree && (!isRetryable || entry.attempts >= retry.attemptsMax)) {
      return work.failed(entry, error, undefined);
    }
    const waitMs = later?.delayMs ?? 0;
    const delayMs = Math.max(waitMs, backoffMs(retry, entry.attempts, runtime.random()));
    if (later?.isCounted !== false) {
      runtime.log("warn", "Activity failed, will be tried again", {
        ...aboutMessage(entry.message),
        attempt: entry.attempts,
        error: errorMessage(error),
      });
    }
    const recorded = isFree ? work.takeBack(entry, waitMs) : work.failed(entry, error, delayMs);
    if (this.#isTooLate(entry)) {
      settled(recorded);
      return work.expired(entry);
    }
    if (!this.#isStopped) {
      if (activity.isOrdered) this.#lanes.putFirst(job.key, job);
      else this.#offer(job);
    }
    return recorded;
  }

  #forget(attempt: Attempt): void {
    const key = entryKey(attempt.job.entry.message);
    if (this.#attempts.get(key) === attempt) this.#attempts.delete(key);
  }
}

/** Who records it need not wait: when it is lost, the entry comes again as it was. */
function settled(recorded: Promise<void>): void {
  recorded.catch(() => {});
}
