import type { Histogram } from "./histogram.ts";
import type { Labels } from "./metrics.ts";

/** A value with its labels. */
export type Point<Value> = readonly [labels: Labels, value: Value];

interface Described {
  /** By the conventions of Prometheus: base units, `_total` for counters. */
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
}

/** One metric: how it is called, and how its series are read now. */
export type Series =
  | Described & { readonly kind: "counter" | "gauge"; read(): Iterable<Point<number>> }
  | Described & {
    readonly kind: "histogram";
    readonly bounds: readonly number[];
    read(): Iterable<Point<Histogram>>;
  };

/** A gauge, whose value is read when it is asked for. */
export function gauge(
  name: string,
  help: string,
  labels: readonly string[],
  read: () => Iterable<Point<number>>,
): Series {
  return { kind: "gauge", name, help, labels, read };
}
