import { metricsText } from "./metrics_text.ts";
import type { Served } from "../http/support.ts";

/** The value of each series, by `name{label="value"}` as Prometheus writes it. */
export async function readMetrics(served: Served): Promise<Map<string, number>> {
  return metricsText(await (await served.app.request("http://localhost/metrics")).text());
}
