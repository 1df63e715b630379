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

const TRACEPARENT_CHARS = 55;

/** Whether it is known that nothing of a trace is kept. */
export function isUnsampled(traceparent: string | null): boolean {
  // No regular expression: this is asked for every message.
  if (traceparent === null || traceparent.length !== TRACEPARENT_CHARS) return false;
  return (parseInt(traceparent.charAt(TRACEPARENT_CHARS - 1), 16) & TraceFlags.SAMPLED) === 0;
}

/** The context that a traceparent names; the root where there is none, or it is malformed. */
export function contextOf(traceparent: string | null | undefined): Context {
  const [, traceId, spanId, flags] =
    /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(traceparent ?? "") ?? [];
  if (traceId === undefined || spanId === undefined) return ROOT_CONTEXT;
  const traceFlags = parseInt(flags ?? "0", 16) & TraceFlags.SAMPLED;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}

/**
 * What carries it is left out of all traces, and so is what follows from it. One for all: most requests are left
 * out, and to make ids that nobody looks for is most of what that would cost.
 */
export const LEFT_OUT = "00-ffffffffffffffffffffffffffffffff-ffffffffffffffff-00";

/** The same for others, to whom it must not look as if all of it were one trace. */
export function leftOutElsewhere(): string {
  const ids = Array.from(crypto.getRandomValues(new Uint8Array(24)), hexByte).join("");
  return `00-${ids.slice(0, 32)}-${ids.slice(32)}-00`;
}

/** Decides which traces to keep, before anything is made of them: a span that is not kept costs as much to begin. */
export class TraceSampler {
  /** @param ratio Of traces that begin here; those that come with a `traceparent` have been decided. */
  constructor(private readonly ratio: number, private readonly random: () => number = Math.random) {}

  /** Whether a trace that begins here is left out. */
  isLeftOut(traceparent: string | null | undefined): boolean {
    return this.ratio < 1 && (traceparent ?? null) === null && this.random() >= this.ratio;
  }
}

function hexByte(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}
