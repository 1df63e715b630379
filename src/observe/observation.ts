import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import { observeBoth, type Observer } from "../core/observer.ts";
import { findTracer, TraceSampler } from "../core/traceparent.ts";
import type { MetricsPage } from "../runtime/observation.ts";
import type { Registry } from "../runtime/registry.ts";
import type { AlertLimits } from "./alert_checks.ts";
import { AlertWebhook } from "./alert_webhook.ts";
import { Alerts } from "./alerts.ts";
import { Exposition } from "./exposition.ts";
import { Metrics } from "./metrics.ts";
import { exportSeries, findMeter, mirrorInto } from "./otel_metrics.ts";
import { allSeries } from "./series.ts";
import { Tracing } from "./tracing.ts";
import { Lookout, type Sight, type Watched } from "./watched.ts";

/** How a runtime is observed. */
export interface ObserveOptions {
  /** A URL that is told of each alert. */
  readonly alertWebhook?: string | undefined;
  /**
   * Which part of the traces that begin here is kept (1). Decided before anything is made of them, which is
   * cheaper than by a sampler of OpenTelemetry.
   */
  readonly traceRatio?: number | undefined;
}

/** A look that is older is not shown any more. */
const SIGHT_AGE_MS_MAX = 1_000;

/**
 * Metrics, traces and alerts of one runtime. In two steps, since the runtime is told of its observer when it is made, and
 * looked at once it is there.
 */
export class Observation {
  readonly observer: Observer;
  readonly #metrics: Metrics;
  readonly #meter = findMeter();

  constructor(registry: Registry, private readonly clock: Clock, traceRatio = 1) {
    this.#metrics = new Metrics(registry, clock, mirrorInto(this.#meter));
    const tracer = findTracer();
    this.observer = tracer
      ? observeBoth(this.#metrics, new Tracing(tracer, clock, new TraceSampler(traceRatio)))
      : this.#metrics;
  }

  /** Looks at a runtime from now on. */
  watch(
    watched: Watched,
    options: ObserveOptions & { readonly log: Log; readonly limits: AlertLimits },
  ): { readonly metrics: MetricsPage; readonly alerts: Alerts; readonly stop: () => Promise<void> } {
    const { clock } = this;
    const { log, limits, alertWebhook } = options;
    const lookout = new Lookout(watched);
    const webhook = alertWebhook === undefined
      ? undefined
      : new AlertWebhook({ url: alertWebhook, clock, log });
    const alerts = new Alerts({
      clock,
      log,
      limits,
      look: () => lookout.look(),
      tell: webhook && ((alert) => webhook.tell(alert)),
    });
    let sight: Sight = lookout.glance();
    const series = allSeries({
      metrics: this.#metrics,
      // All series of one page, or of one export, are of one look.
      sight: () => sight = clock.now() - sight.at > SIGHT_AGE_MS_MAX ? lookout.glance() : sight,
      alerts: () => alerts.list(),
      memory: () => Deno.memoryUsage(),
      startedAt: clock.now(),
    });
    if (this.#meter) exportSeries(this.#meter, series);
    alerts.start();
    return {
      metrics: new Exposition(series, async () => sight = await lookout.look()),
      alerts,
      async stop() {
        webhook?.stop();
        await alerts.stop();
      },
    };
  }
}
