import { context, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import type { MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import { contextOf, findTracer, traceparentOf } from "../core/traceparent.ts";

/** What a request hands on: the traceparent of its span, in place of the one it came with. */
export interface TracedVariables {
  traceparent?: string;
}

/**
 * A span for each request, as the child of whom it came from. Undefined where no provider of OpenTelemetry is
 * registered; where the server makes spans of requests by itself, as Deno's does, those are used.
 */
export function traceRequests(): MiddlewareHandler<{ Variables: TracedVariables }> | undefined {
  const tracer = findTracer();
  if (!tracer) return undefined;
  return async (c, next) => {
    const active = trace.getActiveSpan();
    if (active) {
      c.set("traceparent", traceparentOf(active.spanContext()));
      await next();
      active.updateName(`${c.req.method} ${routePath(c, -1)}`);
      return;
    }
    const parent = contextOf(c.req.header("traceparent"));
    const span = tracer.startSpan(c.req.method, { kind: SpanKind.SERVER }, parent);
    c.set("traceparent", traceparentOf(span.spanContext()));
    if (!span.isRecording()) return await next();
    try {
      await context.with(trace.setSpan(parent, span), next);
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
  };
}
