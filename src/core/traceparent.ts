import {
  type Context,
  isSpanContextValid,
  ROOT_CONTEXT,
  type SpanContext,
  trace,
  TraceFlags,
  type Tracer,
} from "@opentelemetry/api";

/** Between W3C Trace Context, as messages carry it, and the contexts of OpenTelemetry. */

/** The tracer, if anybody has registered a provider: with `OTEL_DENO=true`, Deno has. */
export function findTracer(): Tracer | undefined {
  const tracer = trace.getTracer("folio");
  // Never ended, and so never exported.
  return isSpanContextValid(tracer.startSpan("probe").spanContext()) ? tracer : undefined;
}

export function traceparentOf({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${(traceFlags & TraceFlags.SAMPLED) === 0 ? "00" : "01"}`;
}

/** Whether it is known that nothing of a trace is kept. */
export function isUnsampled(traceparent: string | null): boolean {
  // The last digit has the flag: this is asked for every message.
  return traceparent !== null && (traceparent.charCodeAt(traceparent.length - 1) & 1) === 0 &&
    /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/.test(traceparent);
}

/** The context that a traceparent names; the root where there is none, or it is malformed. */
export function contextOf(traceparent: string | null | undefined): Context {
  const [, traceId, spanId, flags] =
    /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(traceparent ?? "") ?? [];
  if (traceId === undefined || spanId === undefined) return ROOT_CONTEXT;
  const traceFlags = parseInt(flags ?? "0", 16) & TraceFlags.SAMPLED;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}
