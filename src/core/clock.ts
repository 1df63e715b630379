/** The only source of time: real in production, virtual in tests. */
export interface Clock {
  /** Milliseconds since the Unix epoch. May jump either way, when somebody sets the clock. */
  now(): number;
  /** Milliseconds since some moment in the past: what passes while nobody sets this one. */
  elapsed(): number;
  /** Calls `callback` once, `delayMs` from now at the earliest. Returns a function that cancels it. */
  after(delayMs: number, callback: () => void): () => void;
  /** Calls `callback` once all that goes on now and needs only promises has come to rest. */
  soon(callback: () => void): void;
}

/** `setTimeout` fires at once for longer delays than this: they are waited for in steps. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

/** The wall clock of this machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  after(delayMs, callback) {
    let timer: ReturnType<typeof setTimeout>;
    const wait = (leftMs: number) => {
      timer = leftMs > TIMEOUT_MS_MAX
        ? setTimeout(() => wait(leftMs - TIMEOUT_MS_MAX), TIMEOUT_MS_MAX)
        : setTimeout(callback, leftMs);
    };
    wait(Math.max(delayMs, 0));
    return () => clearTimeout(timer);
  },
  // Not a message of a `MessageChannel`: its task may come before promises have come to rest.
  soon: (callback) => void setImmediate(callback),
};

/** Whoever waits for a time, and not for so long, looks again this often: the clock may have been set forward. */
export const RECHECK_MS = 60_000;

/**
 * The time of a process, which follows the clock but never goes back. When the clock does, time goes on at half
 * its speed until the clock has caught up: what waits takes twice as long at the most, and is late by no more
 * than the clock was set back.
 */
export class SteadyClock implements Clock {
  #now: number;
  /** A time, and what had elapsed by then: when something began to wait, or the clock was last found behind. */
  #mark: { readonly now: number; readonly elapsed: number };

  constructor(private readonly clock: Clock) {
    this.#now = clock.now();
    this.#mark = { now: this.#now, elapsed: clock.elapsed() };
  }

  now(): number {
    const now = this.clock.now();
    if (now >= this.#now) return this.#now = now;
    const elapsed = this.clock.elapsed();
    this.#now = Math.max(this.#now, this.#mark.now + (elapsed - this.#mark.elapsed) / 2);
    this.#mark = { now: this.#now, elapsed };
    return Math.floor(this.#now);
  }

  /** From now on it is not before this time, which somebody has recorded already. */
  atLeast(time: number): void {
    this.#now = Math.max(this.#now, time);
  }

  elapsed(): number {
    return this.clock.elapsed();
  }

  after(delayMs: number, callback: () => void): () => void {
    this.now();
    this.#mark = { now: this.#now, elapsed: this.elapsed() };
    return this.clock.after(delayMs, callback);
  }

  soon(callback: () => void): void {
    this.clock.soon(callback);
  }
}
