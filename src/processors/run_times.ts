const SAMPLES_MAX = 1_000;
/** Before there are so many, leases are no shorter than `LEASE_MS_AT_FIRST`. */
const SAMPLES_ENOUGH = 20;
const LEASE_MS_AT_FIRST = 30_000;
const LEASE_MS_MIN = 1_000;
const LEASE_MS_MAX = 12 * 3_600_000;
const LEASE_FACTOR = 3;
/** Runs that may go by before the percentile is measured again. */
const SAMPLES_PER_MEASURE = 20;

/** How long the newest runs of an activity took, and so how long to wait for one before it is given up. */
export class RunTimes {
  readonly #samples: number[] = [];
  #next = 0;
  #unseen = 0;
  #p99Ms: number | undefined;

  /** A run that came to its end, or was given up after so long. */
  add(ms: number): void {
    this.#samples[this.#next] = ms;
    this.#next = (this.#next + 1) % SAMPLES_MAX;
    // One that took longer than expected counts at once: those after it are given more time.
    if (++this.#unseen >= SAMPLES_PER_MEASURE || ms > (this.#p99Ms ?? 0)) this.#measure();
  }

  /** So long, or less, took 99 of 100; undefined before the first. */
  get p99Ms(): number | undefined {
    return this.#p99Ms;
  }

  get leaseMs(): number {
    const least = this.#samples.length < SAMPLES_ENOUGH ? LEASE_MS_AT_FIRST : LEASE_MS_MIN;
    return Math.min(LEASE_MS_MAX, Math.max(least, LEASE_FACTOR * (this.#p99Ms ?? 0)));
  }

  #measure(): void {
    this.#unseen = 0;
    const sorted = Float64Array.from(this.#samples).sort();
    this.#p99Ms = sorted[Math.ceil(sorted.length * 0.99) - 1];
  }
}
