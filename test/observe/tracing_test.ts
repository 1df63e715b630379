import { context, type HrTime, propagation, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  ParentBasedSampler,
  type ReadableSpan,
  type Sampler,
  SimpleSpanProcessor,
  TraceIdRatioBasedSampler,
} from "@opentelemetry/sdk-trace-base";
import { afterEach, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { activity, actor, command, createApp, createRuntime, projection, reactor } from "../../src/mod.ts";
import { VirtualClock } from "../../src/testing/virtual_clock.ts";
import { bookingOf, Payments, seat } from "../sagas/support.ts";
import { ledger } from "../support/actors.ts";
import { serve, type Served } from "../http/support.ts";

afterEach(() => {
  trace.disable();
  context.disable();
  propagation.disable();
});

/** A provider as a program registers one; what it exports is kept. */
function register(sampler?: Sampler): InMemorySpanExporter {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({
    spanProcessors: [new SimpleSpanProcessor(exporter)],
    ...(sampler ? { sampler } : {}),
  });
  trace.setGlobalTracerProvider(provider);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  return exporter;
}

/** The trees of spans as text, children in order of their start. Fails where a span's parent is not there. */
function trees(spans: readonly ReadableSpan[], remote: readonly string[] = []): string[] {
  const byId = new Map(spans.map((span) => [span.spanContext().spanId, span]));
  const parentOf = (span: ReadableSpan) => span.parentSpanContext?.spanId;
  const orphans = spans.filter((span) => {
    const parent = parentOf(span);
    return parent !== undefined && !byId.has(parent) && !remote.includes(parent);
  });
  expect(orphans.map(({ name }) => name)).toEqual([]);
  const draw = (span: ReadableSpan, indent: string): string[] => [
    `${indent}${span.name}`,
    ...spans.filter((child) => parentOf(child) === span.spanContext().spanId)
      .sort((a, b) => ms(a.startTime) - ms(b.startTime) || (a.name < b.name ? -1 : 1))
      .flatMap((child) => draw(child, `${indent}  `)),
  ];
  return spans.filter((span) => !byId.has(parentOf(span) ?? "")).flatMap((root) => draw(root, ""));
}

const ms = ([seconds, nanos]: HrTime) => seconds * 1_000 + nanos / 1e6;

const traceIdsOfCalls: string[] = [];

/** What runs while an activity does: as its own code would make spans. */
const call = activity("call", {
  input: z.object({}),
  output: z.object({}),
  run: () => {
    const own = trace.getTracer("theirs").startSpan("their own request");
    traceIdsOfCalls.push(own.spanContext().traceId);
    own.end();
    return Promise.resolve({});
  },
});

const desk = actor("desk", {
  initialState: () => ({}),
  events: { Worked: z.object({}), Told: z.object({}) },
  evolve: { Worked: (state) => state, Told: (state) => state },
  commands: {
    work: command(z.object({}), (turn) => {
      turn.emit("Worked", {});
      turn.perform(call, {}, { onDone: "told" });
      turn.schedule("later", { after: "1h" }, ledger.ref("timed").add({ n: 1 }));
    }),
    told: command(z.unknown(), (turn) => turn.emit("Told", {})),
  },
});
const answers = reactor("answers", {
  from: [desk],
  on: { "desk/Worked": (react) => react.send(ledger.ref("reacted").add({ n: 2 })) },
});
const sums = projection("sums", {
  version: 1,
  from: [desk, ledger],
  tables: ["CREATE TABLE sums (a TEXT)"],
  on: {
    "desk/Worked": (write) => write("INSERT INTO sums VALUES ('w')"),
    "ledger/Added": (write) => write("INSERT INTO sums VALUES ('a')"),
  },
  queries: {},
});

async function serveTraced(shards: number): Promise<Served> {
  return await serve({ modules: [call, desk, answers, sums], shards });
}

test.each([1, 4])(
  "one request is one tree, over activities, reactors, timers and projections; %i shards",
  async (shards) => {
    const exporter = register();
    const served = await serveTraced(shards);
    const { status } = await served.post("/actors/desk/d/work", {});
    expect(status).toBe(200);
    await served.clock.advance("2h");
    const spans = exporter.getFinishedSpans();
    expect(new Set(spans.map((span) => span.spanContext().traceId)).size).toBe(1);
    const [tree, ...others] = [trees(spans)];
    expect(others).toEqual([]);
    const lines = tree?.map((line) => line.trim()).toSorted();
    expect(tree?.[0]).toBe("POST /actors/:type/:key/:command");
    expect(tree?.[1]).toBe("  turn desk/work");
    expect(lines).toEqual([
      "POST /actors/:type/:key/:command",
      "activity call",
      ...["commit", "commit", "commit", "commit", "commit"],
      ...["projection sums", "projection sums", "projection sums"],
      "their own request",
      ...["turn desk/told", "turn desk/work", "turn ledger/add", "turn ledger/add"],
    ]);
    const depthOf = (name: string) =>
      /^ */.exec(tree?.find((line) => line.trim() === name) ?? "")?.[0].length;
    expect(["activity call", "their own request", "turn desk/told", "turn ledger/add"].map(depthOf))
      .toEqual([4, 6, 6, 4]);
  },
);

test("the tree hangs below whoever called, and a message tells its own place", async () => {
  const exporter = register();
  const served = await serve();
  const [traceId, spanId] = ["4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"];
  const traceparent = `00-${traceId}-${spanId}-01`;
  await served.post("/actors/ledger/a/add", { n: 1 }, { traceparent, "idempotency-key": "m1" });
  const spans = exporter.getFinishedSpans();
  expect(trees(spans, [spanId])).toEqual([
    "POST /actors/:type/:key/:command",
    "  turn ledger/add",
    "    commit",
  ]);
  expect(spans[0]?.spanContext().traceId).toBe(traceId);
  const turn = spans.find(({ name }) => name === "turn ledger/add");
  expect(turn?.attributes).toMatchObject({
    ...{ "folio.actor": "ledger/a", "folio.message_id": "m1", "folio.correlation_id": traceId },
    ...{ "folio.attempt": 1, "folio.outcome": "done" },
  });
});

test("each attempt is a span, and says what went wrong", async () => {
  const exporter = register();
  const served = await serve();
  served.faults.failures.set("x", 1);
  await served.post("/actors/worker/w/work", { label: "x" }, {
    "idempotency-key": "m1",
    prefer: "respond-async",
  });
  await served.settled("m1");
  const turns = exporter.getFinishedSpans().filter(({ name }) => name === "turn worker/work");
  expect(turns.map(({ attributes, status }) => [attributes["folio.attempt"], status.message])).toEqual([
    [1, "Error: x failed, as planned"],
    [2, undefined],
  ]);
  const roots = trees(exporter.getFinishedSpans()).filter((line) => !line.startsWith(" "));
  expect(new Set(roots)).toEqual(new Set(["POST /actors/:type/:key/:command", "GET /messages/:id"]));
});

test("turns that share a commit are linked there", async () => {
  const exporter = register();
  const served = await serve();
  await Promise.all([1, 2, 3].map((n) => served.post(`/actors/ledger/l${n}/add`, { n })));
  const commits = exporter.getFinishedSpans().filter(({ name }) => name === "commit");
  expect(commits).toHaveLength(3);
  expect(commits.reduce((sum, { links }) => sum + links.length, 0)).toBeGreaterThan(0);
  expect(new Set(commits.map((span) => span.spanContext().traceId)).size).toBe(3);
});

// Would catch a decision made anew at each hop: traces with holes.
test("what is not sampled leaves no span anywhere", async () => {
  const exporter = register(new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(0) }));
  const served = await serveTraced(4);
  await served.post("/actors/desk/d/work", {}, { "idempotency-key": "m1" });
  await served.clock.advance("2h");
  expect(exporter.getFinishedSpans()).toEqual([]);
});

test("of traces that begin here, the ratio is kept, each of them whole", async () => {
  const exporter = register();
  const served = await serve({ modules: [call, desk, answers, sums], observe: { traceRatio: 0.5 } });
  for (let n = 0; n < 40; n++) await served.post(`/actors/desk/d${n}/work`, {});
  await served.clock.advance("2h");
  const spans = exporter.getFinishedSpans();
  const sizes = Map.groupBy(spans, (span) => span.spanContext().traceId);
  expect(sizes.size).toBeGreaterThan(5);
  expect(sizes.size).toBeLessThan(35);
  const roots = trees(spans).filter((line) => !line.startsWith(" "));
  expect(roots).toEqual(Array(sizes.size).fill("POST /actors/:type/:key/:command"));
  for (const own of sizes.values()) expect(own.filter(({ name }) => name.startsWith("turn"))).toHaveLength(4);
});

test("what an activity calls for requests that are left out are not one trace to others", async () => {
  const exporter = register();
  const served = await serve({ modules: [call, desk], observe: { traceRatio: 0 } });
  traceIdsOfCalls.length = 0;
  for (const key of ["a", "b"]) await served.post(`/actors/desk/${key}/work`, {});
  await served.clock.advance("1m");
  expect(new Set(traceIdsOfCalls).size).toBe(2);
  expect(exporter.getFinishedSpans()).toEqual([]);
});

test("without a provider no message carries what nobody has sent", async () => {
  const served = await serve();
  await served.post("/actors/ledger/a/add", { n: 1 }, { "idempotency-key": "m1" });
  expect((await served.runtime.message("m1")).traceparent).toBeNull();
});

/** A booking from its request to its end, as the tree of its spans. */
async function book(card: string): Promise<string[]> {
  const exporter = register();
  const payments = new Payments();
  const clock = new VirtualClock();
  const modules = [seat, payments.charge, payments.refund, bookingOf(payments)];
  const runtime = await createRuntime({ modules, data: ":memory:", clock });
  onTestFinished(() => runtime[Symbol.asyncDispose]());
  const response = await createApp(runtime).request("http://localhost/sagas/booking/b1", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ customer: "ann", seat: "1A", card }),
  });
  expect(response.status).toBe(202);
  await clock.advance("1m");
  const spans = exporter.getFinishedSpans();
  expect(new Set(spans.map((span) => span.spanContext().traceId)).size).toBe(1);
  return trees(spans).filter((line) => !line.endsWith(" commit"));
}

test("the booking saga is one tree over its full length", async () => {
  expect(await book("ok")).toEqual([
    "POST /sagas/:name/:id",
    "  turn booking/start",
    "    turn seat/reserve",
    "      turn booking/$told",
    "        activity charge-card",
    "          turn booking/$told",
    "            turn seat/confirm",
    "              turn booking/$told",
  ]);
});

test("so are its compensations", async () => {
  expect(await book("declines")).toEqual([
    "POST /sagas/:name/:id",
    "  turn booking/start",
    "    turn seat/reserve",
    "      turn booking/$told",
    "        activity charge-card",
    "          turn booking/$told",
    "            turn seat/release",
    "              turn booking/$told",
  ]);
});
