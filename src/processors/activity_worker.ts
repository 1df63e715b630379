import type { AnyActivity } from "../core/activity.ts";
import { aboutMessage } from "../core/log.ts";
import type { ActivityStatus } from "../runtime/activity_status.ts";
import { entryKey } from "../runtime/loader.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { attemptsInDoubt, type Work } from "../runtime/work.ts";
import { Attempt, type AttemptEnd, isTooLate, type Job } from "./attempt.ts";
import { AttemptTimeoutError, mayBeMended } from "./attempt_errors.ts";
import { recordEnd } from "./attempt_record.ts";
import { JobQueue } from "./job_queue.ts";
import { asksFirst, closeInterrupted } from "./resumption.ts";
import { RunTimes } from "./run_times.ts";
import { StartLimits } from "./start_limits.ts";

/**
 * Performs the work of one activity, of all shards.
 *
 * Invariants:
 * 1. An attempt is on disk before it runs, and counts against the limits from before that until it has ended.
 * 2. Of a message runs one attempt at a time. When its shard is loaded again, an attempt that runs, or whose end
 *    was lost on its way to the disk, is found by its message: it is not made again.
 * 3. What an attempt gives after it was given up is not recorded.
 * 4. What it gives and the store refuses is a failure of that attempt.
 */
export class ActivityWorker {
  readonly #queue: JobQueue;
  readonly #limits: StartLimits;
  readonly #times = new RunTimes();
  /** From the time they are begun until their end is on disk, by message. */
  readonly #attempts = new Map<string, Attempt>();
  #running = 0;
  #began = 0;
  #failed = 0;
  #isStopped = false;
  #isPumping = false;

  constructor(
    readonly runtime: Runtime,
    readonly activity: AnyActivity,
    /** Told when nothing runs any more. */
    private readonly idle: () => void,
  ) {
    const ready = () => this.#pump();
    this.#queue = new JobQueue(activity, runtime.clock, { ready, expired: (job) => this.#expire(job) });
    this.#limits = new StartLimits(activity, runtime.clock, ready);
  }

  get running(): number {
    return this.#running;
  }

  status(queued: number): ActivityStatus {
    const { p99Ms } = this.#times;
    const { circuit } = this.#limits;
    return {
      name: this.activity.name,
      queued: Math.max(0, queued - this.#running),
      running: this.#running,
      attempts: this.#began,
      failures: this.#failed,
      ...(p99Ms === undefined ? {} : { p99Ms }),
      ...(circuit ? { circuit } : {}),
    };
  }

  /** The attempt at a message that runs now. */
  attemptAt(message: { readonly id: string; readonly actor: string }): Attempt | undefined {
    const attempt = this.#attempts.get(entryKey(message));
    return attempt?.isRunning ? attempt : undefined;
  }

  /** Takes a job: a new one, or one that was read from the disk. */
  arrived(job: Job): void {
    if (job.work.isHeld(job.entry)) return this.#hold(job);
    const known = this.#attempts.get(entryKey(job.entry.message));
    this.#queue.awaitExpiry(job);
    if (known && known.number === job.entry.attempts) {
      known.job = job;
      const refused = job.work.whyRefused(job.entry);
      if (refused && known.end?.kind === "done") {
        known.isRetryable = mayBeMended(this.activity, refused, this.runtime.log);
        known.end = { kind: "failed", error: refused };
      }
      if (known.end) this.#record(known, known.end);
    } else if (job.work.has(job.entry)) this.#queue.offer(job);
    this.#pump();
  }

  /** Forgets what waits of a shard, and, where that is for good, gives up what runs. */
  dropped(work: Work, isForGood: boolean): void {
    this.#queue.drop(work);
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
    this.#limits.stop();
    this.#queue.stop();
  }

  /** Tells what runs that this process stops; what it still gives is recorded. */
  interrupt(): void {
    for (const attempt of this.#attempts.values()) if (attempt.isRunning) attempt.interrupt();
  }

  /** Gives up what runs: the next process makes it again, or finds it in doubt. */
  stop(): void {
    this.drain();
    for (const attempt of [...this.#attempts.values()]) if (attempt.isRunning) attempt.handBack();
  }

  #hold({ entry: { message } }: Job): void {
    this.#attempts.delete(entryKey(message));
    const what = "Activity stands still until the next start: the store takes nothing of its message";
    this.runtime.log("error", what, aboutMessage(message));
  }

  #expire(job: Job): void {
    const { entry, work } = job;
    // What has begun may end; what is in doubt is found out about first.
    if (this.#attempts.has(entryKey(entry.message)) || attemptsInDoubt(entry) > 0) return;
    settled(work.expired(entry));
    this.#queue.leave(job);
    this.#pump();
  }

  /** Begins what may begin. */
  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      const { limit } = this.activity.concurrency;
      while (!this.#isStopped && this.#running < limit && this.#limits.mayBegin()) {
        const job = this.#queue.lanes.next();
        if (!job) return;
        if (!this.#begin(job)) this.#queue.lanes.left(job.key);
      }
    } finally {
      this.#isPumping = false;
    }
  }

  /** @returns Whether an attempt has begun; otherwise the job has come to its end without one. */
  #begin(job: Job): boolean {
    const { activity, runtime } = this;
    const { entry, work } = job;
    const { message } = entry;
    if (!work.has(entry)) return false; // it has expired
    const refused = work.whyRefused(entry);
    if (refused) return this.#close(job, work.refuse(entry, refused));
    const isToAsk = asksFirst(activity, entry);
    const closed = closeInterrupted(activity, job, isToAsk);
    if (closed) return this.#close(job, closed);
    if (isTooLate(job, runtime.clock.now()) && !isToAsk) return this.#close(job, work.expired(entry));
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
      asksFirst: isToAsk,
      isProbe: this.#limits.take(),
      ended: (attempt, end) => this.#ended(attempt, end),
    });
    this.#attempts.set(entryKey(message), attempt);
    this.#running++;
    begun.then(() => this.#run(attempt, input), () => this.#lost(attempt));
    return true;
  }

  /** A job has come to its end without another attempt. */
  #close(job: Job, recorded: Promise<void>): false {
    settled(recorded);
    this.#queue.forget(job);
    return false;
  }

  /** The beginning of an attempt is on disk. */
  #run(attempt: Attempt, input: unknown): void {
    if (attempt.end) return;
    const { entry, work, key } = attempt.job;
    if (this.#isStopped) {
      settled(work.takeBack(entry));
      return this.#lost(attempt);
    }
    this.#began++;
    this.#limits.used();
    this.#queue.lanes.began(key);
    attempt.start(input);
    this.#pump();
  }

  /** An attempt does not begin after all. */
  #lost(attempt: Attempt): void {
    if (attempt.end) return;
    attempt.end = { kind: "unsaid" };
    this.#forget(attempt);
    this.#limits.giveBack(attempt.isProbe);
    this.#queue.lanes.left(attempt.job.key);
    this.#free();
  }

  #ended(attempt: Attempt, end: AttemptEnd): void {
    const error = end.kind === "failed" ? end.error : undefined;
    if (end.kind === "done" || error instanceof AttemptTimeoutError) this.#times.add(attempt.ranMs);
    if (end.kind === "failed") this.#failed++;
    attempt.isRetryable = end.kind === "failed" && mayBeMended(this.activity, error, this.runtime.log);
    const isSaid = end.kind === "done" || end.kind === "failed";
    this.#limits.ended(attempt.isProbe, attempt.isRetryable ? "failed" : isSaid ? "answered" : "none", error);
    this.#record(attempt, end);
    this.#queue.lanes.ended(attempt.job.key);
    this.#free();
  }

  #free(): void {
    this.#running--;
    if (this.#running === 0) this.idle();
    this.#pump();
  }

  /** Records an attempt's end; where its shard is being loaded again, that waits until its entry is back. */
  #record(attempt: Attempt, end: AttemptEnd): void {
    const { job } = attempt;
    const { entry, work } = job;
    if (end.kind === "unsaid") return this.#forget(attempt);
    if (!work.has(entry)) return;
    const recorded = recordEnd(attempt, end, this);
    if (!work.has(entry)) this.#queue.forget(job);
    else if (!this.#isStopped) this.#queue.offerAgain(job);
    // When it is lost, the entry comes again, and finds this attempt.
    recorded.then(() => this.#forget(attempt), () => {});
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
