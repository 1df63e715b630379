import {
  Counter,
  Gauge,
  Histogram,
  type OpenMetricsContentType,
  type PrometheusContentType,
  Registry,
} from "prom-client";
import type { MetricReading, MetricsPage } from "../runtime/observation.ts";
import type { Labels } from "./metrics.ts";
import type { Series } from "./series_types.ts";

/** Metrics as text, in the format of Prometheus or of OpenMetrics, whichever the client asks for. */
export class Exposition implements MetricsPage {
  readonly #prometheus = new Registry();
  readonly #openMetrics = new Registry<OpenMetricsContentType>();

  /** @param refresh Awaited before each page. */
  constructor(private readonly series: readonly Series[], private readonly refresh: () => Promise<unknown>) {
    // One each: the library takes `_total` off the names of counters for good when it writes OpenMetrics.
    register(series, this.#prometheus);
    this.#openMetrics.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
    register(series, this.#openMetrics);
  }

  async page(accept: string | undefined): Promise<{ contentType: string; text: string }> {
    await this.refresh();
    const registry = accept?.includes("application/openmetrics-text") ? this.#openMetrics : this.#prometheus;
    return { contentType: registry.contentType, text: await registry.metrics() };
  }

  async read({ looksAtDisk }: { looksAtDisk: boolean }): Promise<readonly MetricReading[]> {
    if (looksAtDisk) await this.refresh();
    return this.series.flatMap(({ name, read }) =>
      [...read()].map(([labels, value]) => ({
        name,
        labels,
        // A copy: the histogram goes on counting.
        value: typeof value === "number" ? value : { bounds: value.bounds, counts: [...value.counts] },
      }))
    );
  }
}

function register(
  all: readonly Series[],
  registry: Registry<PrometheusContentType> | Registry<OpenMetricsContentType>,
): void {
  for (const series of all) {
    const { name, help, labels } = series;
    const options = { name, help, labelNames: [...labels], registers: [registry] };
    if (series.kind === "histogram") {
      new ReadHistogram({ ...options, buckets: [...series.bounds] }, series.read);
    } else if (series.kind === "counter") {
      new Counter({
        ...options,
        collect() {
          this.reset();
          for (const [labels, value] of series.read()) this.inc(labels, value);
        },
      });
    } else {
      new Gauge({
        ...options,
        collect() {
          this.reset();
          for (const [labels, value] of series.read()) this.set(labels, value);
        },
      });
    }
  }
}

type Read = (Series & { kind: "histogram" })["read"];

/** A histogram of the library whose values are read and not recorded. */
class ReadHistogram extends Histogram {
  constructor(
    private readonly options: ConstructorParameters<typeof Histogram>[0],
    private readonly read: Read,
  ) {
    super(options);
  }

  /** What the library asks for when it writes text. */
  getForPromString() {
    const { name } = this.options;
    const values = [...this.read()].flatMap(([labels, { bounds, counts, sum, count }]) => {
      let below = 0;
      const buckets = bounds.map((bound, index) => {
        below += counts[index] ?? 0;
        return value(`${name}_bucket`, { ...labels, le: bound }, below);
      });
      return [
        ...buckets,
        value(`${name}_bucket`, { ...labels, le: "+Inf" }, count),
        value(`${name}_sum`, labels, sum),
        value(`${name}_count`, labels, count),
      ];
    });
    return { ...this.options, type: "histogram", values };
  }
}

function value(metricName: string, labels: Labels | Record<string, string | number>, value: number) {
  return { metricName, labels, value };
}
