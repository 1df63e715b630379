import {
  type Context as SpanScope,
  context,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import type { Context, Next } from "hono";
import { routePath } from "hono/route";
import { contextOf, findTracer, LEFT_OUT, traceparentOf, TraceSampler } from "../core/traceparent.ts";

/** What a request hands on: the traceparent of its span, in place of the one it came with. */
export interface TracedVariables {
  traceparent?: string;
}

/**
 * A span for each request, as the child of whom it came from. Undefined where no provider of OpenTelemetry is
 * registered; where the server makes spans of requests by itself, as Deno's does, those are used.
 */
export function traceRequests(
  ratio: number,
): ((c: Context<{ Variables: TracedVariables }>, next: Next) => Promise<void>) | undefined {
  const tracer = findTracer();
  if (!tracer) return undefined;
  const sampler = new TraceSampler(ratio);
  // Not async itself: most requests are not sampled, and wait for nothing here.
  return (c, next) => {
    const active = trace.getActiveSpan();
    if (!active && sampler.isLeftOut(c.req.header("traceparent"))) {
      c.set("traceparent", LEFT_OUT);
      return next();
    }
    const parent = active ? context.active() : contextOf(c.req.header("traceparent"));
    const span = active ?? tracer.startSpan(c.req.method, { kind: SpanKind.SERVER }, parent);
    c.set("traceparent", traceparentOf(span.spanContext()));
    if (!span.isRecording()) return next();
    return active ? named(c, next, active) : traced(c, next, trace.setSpan(parent, span), span);
  };
}

/** The traceparent of a request's own span, which what it leads to hangs below; else the one that it came with. */
export function traceparentFor(c: Context, sent: string | undefined): string | undefined {
  const own: string | undefined = c.get("traceparent");
  return own ?? sent;
}

/** Lets the server's own span tell which route it was. */
async function named(c: Context, next: Next, span: Span): Promise<void> {
  await next();
  span.updateName(`${c.req.method} ${routePath(c, -1)}`);
}

async function traced(c: Context, next: Next, inside: SpanScope, span: Span): Promise<void> {
  try {
    await context.with(inside, next);
    const { status } = c.res;
    const route = routePath(c, -1);
    span.updateName(`${c.req.method} ${route}`);
    span.setAttributes({
      "http.request.method": c.req.method,
      "http.route": route,
      "http.response.status_code": status,
    });
    if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
  } finally {
    span.end();
  }
}
