/** Upper bounds of latency buckets, in seconds. */
export const secondsBuckets = [
  ...[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3_600],
];
/** Upper bounds of buckets for how many or how much. */
export const sizeBuckets = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000];
export const bytesBuckets = [1e3, 4e3, 16e3, 64e3, 256e3, 1e6, 4e6, 16e6];

/** Counts values by size. Taking one is an addition or two: there is no map of labels on the way. */
export class Histogram {
  /** How many fell into each bucket, not cumulative; the last has those beyond all bounds. */
  readonly counts: number[];
  sum = 0;
  count = 0;

  constructor(readonly bounds: readonly number[], private readonly mirror?: (value: number) => void) {
    this.counts = new Array(bounds.length + 1).fill(0);
  }

  take(value: number): void {
    const { bounds } = this;
    let bucket = 0;
    while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket++;
    (this.counts[bucket] as number)++;
    this.count++;
    this.sum += value;
    this.mirror?.(value);
  }
}
