import { createNoopMeter, type Histogram, type Meter, metrics } from "@opentelemetry/api";
import type { Mirror } from "./metrics.ts";
import type { Series } from "./series_types.ts";

/** The meter of OpenTelemetry, if anybody has registered a provider: with `OTEL_DENO=true`, Deno has. */
export function findMeter(): Meter | undefined {
  const meter = metrics.getMeter("folio");
  return meter.constructor === createNoopMeter().constructor ? undefined : meter;
}

/** Records histograms with OpenTelemetry, too: of these it cannot be told afterwards. */
export function mirrorInto(meter: Meter | undefined): Mirror {
  if (!meter) return () => undefined;
  const histograms = new Map<string, Histogram>();
  return (name, labels) => {
    const { base, unit } = nameOf(name);
    const histogram = histograms.get(name) ?? meter.createHistogram(base, { unit });
    histograms.set(name, histogram);
    return (value) => histogram.record(value, labels);
  };
}

/** Lets OpenTelemetry read counters and gauges whenever it exports; until then it costs nothing. */
export function exportSeries(meter: Meter, all: readonly Series[]): void {
  for (const series of all) {
    if (series.kind === "histogram") continue;
    const { base, unit } = nameOf(series.name);
    const options = { description: series.help, unit };
    const instrument = series.kind === "counter"
      ? meter.createObservableCounter(base, options)
      : meter.createObservableGauge(base, options);
    instrument.addCallback((result) => {
      for (const [labels, value] of series.read()) result.observe(value, labels);
    });
  }
}

/** By the conventions of OpenTelemetry the unit and what is counted are no parts of the name. */
function nameOf(name: string): { base: string; unit: string } {
  const base = name.replace(/_total$/, "");
  if (base.endsWith("_seconds")) return { base: base.slice(0, -"_seconds".length), unit: "s" };
  if (base.endsWith("_bytes")) return { base: base.slice(0, -"_bytes".length), unit: "By" };
  return { base, unit: "1" };
}
