import type { AnyActivity } from "../core/activity.ts";
import type { Clock } from "../core/clock.ts";
import type { Work } from "../runtime/work.ts";
import { isTooLate, type Job, notBefore } from "./attempt.ts";
import { JobTimers } from "./job_timers.ts";
import { Lanes } from "./lanes.ts";

/**
 * What waits of one activity: in the lane of its key when it may begin, or for the time of its next attempt; and,
 * whether it waits or runs, for the time when it is too late.
 */
export class JobQueue {
  readonly lanes: Lanes<Job>;
  /** For jobs that wait for their next attempt. */
  readonly #waiting: JobTimers;
  /** For jobs that will be too late at some time. */
  readonly #expiring: JobTimers;

  constructor(
    private readonly activity: AnyActivity,
    private readonly clock: Clock,
    private readonly owner: {
      /** Told when `lanes` may have something again, because time has passed. */
      readonly ready: () => void;
      /** Told when a job is too late. */
      readonly expired: (job: Job) => void;
    },
  ) {
    const { isOrdered, concurrency, keyRateLimit } = activity;
    const rules = {
      runningMax: isOrdered ? 1 : concurrency.perKey,
      rate: keyRateLimit,
      notBefore: isOrdered ? notBefore : undefined,
    };
    this.lanes = new Lanes<Job>(clock, rules, owner.ready);
    this.#waiting = new JobTimers(clock);
    this.#expiring = new JobTimers(clock);
  }

  /** Takes a job, now or for the time when it may begin. */
  offer(job: Job): void {
    // Where order counts, the lane waits with it.
    if (this.activity.isOrdered || notBefore(job) <= this.clock.now()) return this.lanes.push(job.key, job);
    this.#waiting.set(job, notBefore(job), () => {
      this.lanes.push(job.key, job);
      this.owner.ready();
    });
  }

  /** Takes a job whose attempt has failed. */
  offerAgain(job: Job): void {
    if (this.activity.isOrdered) this.lanes.putFirst(job.key, job);
    else this.offer(job);
  }

  /** Whoever waits for it is told in time that it is too late, also where nothing may begin now. */
  awaitExpiry(job: Job): void {
    const { expiresAt } = job.entry.message;
    if (expiresAt === null) return;
    if (isTooLate(job, this.clock.now())) this.owner.expired(job);
    else this.#expiring.set(job, expiresAt, () => this.owner.expired(job));
  }

  /** A job that waited is at its end. */
  leave(job: Job): void {
    this.#waiting.cancel(job);
    this.lanes.refresh(job.key);
  }

  /** A job is at its end: it cannot be too late any more. */
  forget(job: Job): void {
    this.#expiring.cancel(job);
  }

  /** Forgets what waits of a shard. */
  drop(work: Work): void {
    this.lanes.drop((job) => job.work === work);
    this.#waiting.clear(work);
    this.#expiring.clear(work);
  }

  /** Waits for no time any more. */
  stop(): void {
    this.lanes.stop();
    this.#waiting.clear();
    this.#expiring.clear();
  }
}
