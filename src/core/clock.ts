/** The only source of time: real in production, virtual in tests. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
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
