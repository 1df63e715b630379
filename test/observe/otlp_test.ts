import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { endChild, startChild } from "../../scripts/support/child.ts";
import { temporaryFolder } from "../store/databases.ts";

/** The server as an operator runs it, and a receiver of OTLP over HTTP: Deno's own exporter is between them. */

const Span = z.object({
  name: z.string(),
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string(),
});
const Traces = z.object({
  resourceSpans: z.array(z.object({ scopeSpans: z.array(z.object({ spans: z.array(Span) })) })),
});
const Metrics = z.object({
  resourceMetrics: z.array(z.object({
    scopeMetrics: z.array(z.object({ metrics: z.array(z.object({ name: z.string() })) })),
  })),
});

test("a server with OTEL_DENO sends its traces and metrics: one tree below the caller, no orphan", async () => {
  const spans: z.output<typeof Span>[] = [];
  const metrics = new Set<string>();
  let arrived = Promise.withResolvers<void>();
  const receiver = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    const body = await request.json();
    if (request.url.endsWith("/v1/traces")) {
      const { resourceSpans } = Traces.parse(body);
      spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)));
    } else if (request.url.endsWith("/v1/metrics")) {
      const { resourceMetrics } = Metrics.parse(body);
      for (const { scopeMetrics } of resourceMetrics) {
        for (const scope of scopeMetrics) for (const { name } of scope.metrics) metrics.add(name);
      }
    }
    arrived.resolve();
    arrived = Promise.withResolvers();
    return new Response("{}", { headers: { "content-type": "application/json" } });
  });
  onTestFinished(() => receiver.shutdown());
  const server = startChild("src/main.ts", {
    env: {
      FOLIO_PORT: "0",
      FOLIO_DATA: temporaryFolder(),
      FOLIO_MODULES: new URL("otlp_modules.ts", import.meta.url).pathname,
      OTEL_DENO: "true",
      OTEL_DENO_CONSOLE: "ignore",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${receiver.addr.port}`,
      OTEL_METRIC_EXPORT_INTERVAL: "200",
      OTEL_BSP_SCHEDULE_DELAY: "100",
    },
  });
  onTestFinished(() => endChild(server));
  const { url } = await server.lineWith("url") ?? {};
  const [traceId, caller] = ["4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"];
  const response = await fetch(`${url}/actors/sender/s/fanOut`, {
    method: "POST",
    headers: { "content-type": "application/json", traceparent: `00-${traceId}-${caller}-01` },
    body: JSON.stringify({ to: [{ key: "a", n: 1 }, { key: "b", n: 2 }] }),
  });
  expect(response.status).toBe(200);
  await response.body?.cancel();

  // The request, three turns, and what they have in commits: three at the least.
  while (spans.length < 7 || !metrics.has("folio_command_duration")) await arrived.promise;
  const ids = new Set([caller, ...spans.map(({ spanId }) => spanId)]);
  expect(spans.filter((span) => span.traceId !== traceId || !ids.has(span.parentSpanId))).toEqual([]);
  expect(spans.filter(({ parentSpanId }) => parentSpanId === caller).map(({ name }) => name)).toEqual([
    "POST /actors/:type/:key/:command",
  ]);
  expect(spans.map(({ name }) => name).filter((name) => name.startsWith("turn")).toSorted()).toEqual([
    "turn ledger/add",
    "turn ledger/add",
    "turn sender/fanOut",
  ]);
  expect([...metrics]).toEqual(
    expect.arrayContaining([
      "folio_commands",
      "folio_command_duration",
      "folio_commit_duration",
      "folio_events",
    ]),
  );
});
