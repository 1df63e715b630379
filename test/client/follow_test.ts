import { Hono } from "hono";
import { expect, test } from "vitest";
import { clientOf, problem } from "./support.ts";

const encoder = new TextEncoder();

const event = (position: number) => ({
  shard: 0,
  position,
  actor: "account/zoë",
  version: position,
  type: "Deposited",
  payload: { amount: position },
  at: "2026-01-01T00:00:00.000Z",
  messageId: `m${position}`,
  correlationId: `m${position}`,
  token: `0.${position}`,
});

const frame = (position: number) =>
  `id: 0.${position}\nevent: Deposited\ndata: ${JSON.stringify(event(position))}\n\n`;

/** What a connection does after the chunks it gives. */
type Ending = "close" | "break" | "hang";

/** A stream of these chunks. `cancelled` is called when its reader goes away. */
function stream(chunks: readonly (string | Uint8Array)[], ending: Ending, cancelled = () => {}): Response {
  const rest = chunks.map((chunk) => typeof chunk === "string" ? encoder.encode(chunk) : chunk);
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const chunk = rest.shift();
      if (chunk) controller.enqueue(chunk);
      else if (ending === "close") controller.close();
      else if (ending === "break") controller.error(new TypeError("connection reset"));
      else return new Promise(() => {});
    },
    cancel: cancelled,
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

/** A server whose connections are these, one after the other. */
function connecting(...connections: (() => Response)[]): Hono {
  return new Hono().get("/events", () => (connections.shift() ?? (() => problem(500, "internal")))());
}

type Client = ReturnType<typeof clientOf>["client"];

async function take(client: Client, count: number, options: { after?: string; signal?: AbortSignal } = {}) {
  const positions: number[] = [];
  for await (const { position } of client.$follow(options)) {
    positions.push(position);
    if (positions.length === count) break;
  }
  return positions;
}

/** Would catch: an event lost with the connection it was half sent on, or told again by the next one. */
test("lost connections are made again where the last event left off", async () => {
  const app = connecting(
    () => stream([frame(1), frame(2) + frame(3).slice(0, 40)], "break"),
    () => stream([frame(3)], "close"),
    () => problem(503, "draining", { headers: { "retry-after": "2" } }),
    () => stream([": still here\n\n", frame(4)], "hang"),
  );
  const { client, clock, seen } = clientOf(app);
  expect(await clock.run(take(client, 4, { after: "0.0" }))).toEqual([1, 2, 3, 4]);
  expect(seen.map(({ headers, query }) => [headers.get("last-event-id"), query.after])).toEqual([
    [null, "0.0"],
    ["0.2", undefined],
    ["0.3", undefined],
    ["0.3", undefined],
  ]);
  expect(seen[0]?.headers.get("accept")).toBe("text/event-stream");
  expect((seen[3]?.afterMs ?? 0) - (seen[2]?.afterMs ?? 0)).toBeGreaterThanOrEqual(2_000);
});

test("events are whole however the bytes are cut", async () => {
  const bytes = encoder.encode("retry: 1000\n\n" + frame(1) + frame(2));
  const app = connecting(() => stream([...bytes].map((byte) => Uint8Array.of(byte)), "hang"));
  const { client, clock } = clientOf(app);
  const events: unknown[] = [];
  await clock.run((async () => {
    for await (const event of client.$follow()) if (events.push(event) === 2) break;
  })());
  expect(events).toEqual([event(1), event(2)]);
});

test("only the type that is asked for is asked for, on every connection", async () => {
  const { client, clock, seen } = clientOf(
    connecting(() => stream([frame(1)], "close"), () => stream([frame(2)], "hang")),
  );
  await clock.run((async () => {
    for await (const { position } of client.$follow({ type: "Deposited" })) if (position === 2) break;
  })());
  expect(seen.map(({ query }) => query)).toEqual([{ type: "Deposited" }, { type: "Deposited" }]);
});

/** Would catch: what is recorded between two connections that both begin now. */
test("now is the time of the first connection, not of each one", async () => {
  const app = new Hono().get("/events", (c) => {
    if (c.req.header("accept") !== "text/event-stream") {
      return c.json({ events: [], next: "0.7", hasMore: false });
    }
    return connections.shift()?.() ?? problem(500, "internal");
  });
  const connections = [() => stream([], "break"), () => stream([frame(8)], "hang")];
  const { client, clock, seen } = clientOf(app);
  expect(await clock.run(take(client, 1, { after: "now" }))).toEqual([8]);
  expect(seen.map(({ query }) => query.after)).toEqual(["now", "0.7", "0.7"]);
});

test("a server that is away for long is waited for, longer than a request would be", async () => {
  const away = Array(20).fill(() => problem(503, "draining"));
  const { client, clock, seen } = clientOf(connecting(...away, () => stream([frame(1)], "hang")), {
    attemptsMax: 1,
  });
  expect(await clock.run(take(client, 1))).toEqual([1]);
  const last = (seen[20]?.afterMs ?? 0) - (seen[19]?.afterMs ?? 0);
  expect(last).toBeLessThanOrEqual(12_000);
});

test("pauses begin small again once an event has come", async () => {
  const lively = Array.from({ length: 10 }, (_, index) => () => stream([frame(index + 1)], "break"));
  const { client, clock, seen } = clientOf(connecting(...lively));
  await clock.run(take(client, 10));
  expect(seen[9]?.afterMs).toBeLessThanOrEqual(9 * 240);
});

test("a problem that waiting does not solve ends it", async () => {
  const { client, clock, seen } = clientOf(connecting(() => problem(401, "unauthorized")));
  await expect(clock.run(take(client, 1))).rejects.toMatchObject({ status: 401, code: "unauthorized" });
  expect(seen).toHaveLength(1);
});

/** Would catch: a reader that hears nothing for ever, because the other end vanished without a word. */
test("a connection without a sign of life for a minute is given up", async () => {
  let cancelled = 0;
  const app = connecting(
    () => stream([frame(1)], "hang", () => cancelled++),
    () => stream([frame(2)], "hang"),
  );
  const { client, clock, seen } = clientOf(app);
  expect(await clock.run(take(client, 2))).toEqual([1, 2]);
  expect(seen[1]?.afterMs).toBeGreaterThanOrEqual(60_000);
  expect(cancelled).toBe(1);
});

test("comments are signs of life", async () => {
  let beats = 0;
  const { client, clock, seen } = clientOf(connecting(() => {
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await new Promise<void>((resolve) => clock.after(15_000, resolve));
        controller.enqueue(encoder.encode(++beats < 20 ? ": still here\n\n" : frame(1)));
      },
    }, { highWaterMark: 0 });
    return new Response(body);
  }));
  expect(await clock.run(take(client, 1))).toEqual([1]);
  expect(seen).toHaveLength(1);
});

test("an abort ends it with its reason, and lets go of the connection", async () => {
  let cancelled = 0;
  const { client, clock } = clientOf(connecting(() => stream([frame(1)], "hang", () => cancelled++)));
  const controller = new AbortController();
  const taking = take(client, 2, { signal: controller.signal });
  await clock.settle();
  controller.abort(new Error("enough"));
  await expect(taking).rejects.toThrow("enough");
  await clock.settle();
  expect(cancelled).toBe(1);
  expect(clock.pending).toBe(0);
});

test("an abort ends the pause between two connections", async () => {
  const { client, clock, seen } = clientOf(connecting(() => stream([], "close")));
  const controller = new AbortController();
  const taking = take(client, 1, { signal: controller.signal });
  await clock.settle();
  controller.abort(new Error("enough"));
  await expect(taking).rejects.toThrow("enough");
  expect(seen).toHaveLength(1);
  expect(clock.pending).toBe(0);
});

test("leaving the loop lets go of the connection", async () => {
  let cancelled = 0;
  const { client, clock } = clientOf(
    connecting(() => stream([frame(1), frame(2)], "hang", () => cancelled++)),
  );
  expect(await clock.run(take(client, 1))).toEqual([1]);
  await clock.settle();
  expect(cancelled).toBe(1);
  expect(clock.pending).toBe(0);
});
