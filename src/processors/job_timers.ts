import { type Clock, RECHECK_MS } from "../core/clock.ts";
import type { Work } from "../runtime/work.ts";
import type { Job } from "./attempt.ts";

/** One timer a job, at the most; forgotten with the job. */
export class JobTimers {
  readonly #cancels = new Map<Job, () => void>();

  constructor(private readonly clock: Clock) {}

  set(job: Job, at: number, callback: () => void): void {
    this.#cancels.set(
      job,
      this.clock.after(Math.min(at - this.clock.now(), RECHECK_MS), () => {
        if (this.clock.now() < at) return this.set(job, at, callback);
        this.#cancels.delete(job);
        callback();
      }),
    );
  }

  cancel(job: Job): void {
    this.#cancels.get(job)?.();
    this.#cancels.delete(job);
  }

  /** Cancels those of a shard; of all where none is given. */
  clear(work?: Work): void {
    for (const job of [...this.#cancels.keys()]) if (!work || job.work === work) this.cancel(job);
  }
}
