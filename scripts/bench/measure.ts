/** What one measurement gave. */
export interface Measured {
  readonly perSecond: number;
  /** Milliseconds of each operation, ascending. */
  readonly latenciesMs: readonly number[];
}

/**
 * Runs an operation in a closed loop: each of `concurrency` callers starts its next one when the last is done.
 *
 * @param finish Awaited before the clock is stopped, for work that goes on after its acknowledgement.
 */
export async function measure(
  options: { concurrency: number; durationMs: number; finish?: () => Promise<unknown> },
  operation: (call: number) => Promise<unknown>,
): Promise<Measured> {
  const latenciesMs: number[] = [];
  let calls = 0;
  const startedAt = performance.now();
  const endAt = startedAt + options.durationMs;
  const caller = async () => {
    for (let at = performance.now(); at < endAt;) {
      await operation(calls++);
      const now = performance.now();
      latenciesMs.push(now - at);
      at = now;
    }
  };
  await Promise.all(Array.from({ length: options.concurrency }, caller));
  await options.finish?.();
  const seconds = (performance.now() - startedAt) / 1_000;
  return { perSecond: latenciesMs.length / seconds, latenciesMs: latenciesMs.sort((a, b) => a - b) };
}

/** @param sorted Ascending. @param share In [0, 1]: 0.99 for the 99th percentile. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

/** The one in the middle by `of`. */
export function medianBy<T>(items: readonly T[], of: (item: T) => number): T {
  const sorted = [...items].sort((a, b) => of(a) - of(b));
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (middle === undefined) throw new RangeError("Cannot take the median of nothing");
  return middle;
}

/** Runs work in a folder of its own, which is gone afterwards. */
export async function inTemporaryFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await Deno.makeTempDir({ prefix: "folio-bench-" });
  try {
    return await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
