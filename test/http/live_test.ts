import { expect, test } from "vitest";
import { createApp } from "../../src/http/app.ts";
import { ledger } from "../support/actors.ts";
import { World } from "../support/world.ts";
import { expectProblem, Live, parseFrame, serve, type Served } from "./support.ts";

const accept = { accept: "text/event-stream" };

async function add(server: Served, key: string, ...numbers: number[]): Promise<void> {
  for (const n of numbers) await server.post(`/actors/ledger/${key}/add`, { n });
}

test.each([1, 4])("an actor's stream gives what was there and what comes, %i shards", async (shards) => {
  const server = await serve({ shards });
  await add(server, "l", 1, 2);
  const live = await server.live("/actors/ledger/l/events");
  const [first, second] = await live.events(2);
  expect(first).toMatchObject({ id: "1", event: "Added", data: { version: 1, payload: { n: 1 } } });
  expect(second).toMatchObject({ id: "2", data: { version: 2 } });
  const third = live.events(1);
  await add(server, "other", 7);
  await add(server, "l", 3);
  expect(await third).toMatchObject([{ id: "3", data: { actor: "ledger/l", payload: { n: 3 } } }]);
});

test("an actor that has no events yet can be followed from its first", async () => {
  const server = await serve();
  const live = await server.live("/actors/ledger/new/events");
  const first = live.events(1);
  await add(server, "new", 1);
  expect(await first).toMatchObject([{ id: "1" }]);
});

test.each(["/actors/ledger/l/events?after=2", "/events?after=0.2", "/events?after=now"])(
  "%s begins behind that place",
  async (path) => {
    const server = await serve();
    await add(server, "l", 1, 2);
    const live = await server.live(path);
    const next = live.events(1);
    await add(server, "l", 3);
    expect(await next).toMatchObject([{ data: { version: 3 } }]);
  },
);

test("Last-Event-ID goes before ?after=", async () => {
  const server = await serve();
  await add(server, "l", 1, 2, 3);
  const stream = await server.live("/actors/ledger/l/events?after=0", { "last-event-id": "2" });
  expect(await stream.events(1)).toMatchObject([{ id: "3" }]);
  const log = await server.live("/events?after=now", { "last-event-id": "0.2" });
  expect(await log.events(1)).toMatchObject([{ id: "0.3" }]);
});

test("the log's stream by type leaves the rest out, and its heartbeat says how far it has looked", async () => {
  const server = await serve();
  await server.post("/actors/counter/c/increment");
  const live = await server.live("/events?type=Reset");
  await server.post("/actors/counter/c/reset");
  expect(await live.events(1)).toMatchObject([{ id: "0.2", event: "Reset" }]);
  const beat = live.chunk();
  for (let n = 0; n < 5; n++) {
    await server.post("/actors/counter/c/increment");
    await server.clock.advance("3s"); // news all the time, and none of it for this reader
  }
  expect(parseFrame((await beat ?? "").trim())).toMatchObject({ comment: "still here", id: "0.7" });
});

test("a rare type is found behind many pages of others", async () => {
  const server = await serve({ limits: { pageScanMax: 10 } });
  await server.post("/actors/ledger/l/burst", { count: 95 });
  await server.post("/actors/counter/c/reset");
  const live = await server.live("/events?type=Reset");
  expect(await live.events(1)).toMatchObject([{ id: "0.96" }]);
});

test("a reader who has nothing to read is told so, time and again", async () => {
  const server = await serve();
  await add(server, "l", 1);
  for (const [path, id] of [["/actors/ledger/l/events", "1"], ["/events", "0.1"]]) {
    const live = await server.live(path ?? "");
    await live.events(1);
    for (let n = 0; n < 3; n++) {
      let isThere = false;
      const beat = live.chunk().finally(() => isThere = true);
      await server.clock.advance(14_999);
      expect(isThere).toBe(false);
      await server.clock.advance(1);
      expect(parseFrame((await beat ?? "").trim())).toEqual({ comment: "still here", id });
    }
  }
});

test("a reader is told so after heartbeatMs, and not before", async () => {
  const server = await serve({ limits: { heartbeatMs: 700 } });
  const live = await server.live("/events");
  await live.chunk(); // how soon to come back
  let isThere = false;
  const beat = live.chunk().finally(() => isThere = true);
  await server.clock.advance(699);
  expect(isThere).toBe(false);
  await server.clock.advance(1);
  expect(parseFrame((await beat ?? "").trim())).toEqual({ comment: "still here", id: "0.0" });
});

test.each([["last-event-id", "x"], ["last-event-id", "-1"], ["last-event-id", "1.5"], [
  "last-event-id",
  "9.1",
]])(
  "%s: %s is 400 and no stream",
  async (name, value) => {
    const server = await serve();
    expectProblem(
      await server.get("/actors/ledger/l/events", { ...accept, [name]: value }),
      400,
      "malformed",
    );
    expectProblem(await server.get("/events", { ...accept, [name]: value }), 400, "malformed");
  },
);

test("what is no stream is a problem, also to who asks for one", async () => {
  const server = await serve();
  expectProblem(await server.get("/actors/nothing/l/events", accept), 404, "unknown-actor-type");
  expectProblem(await server.get("/actors/ledger/%00/events", accept), 400, "malformed");
  expectProblem(await server.get("/events?after=9.9", accept), 400, "malformed");
  expectProblem(await server.get("/events?limit=0", accept), 400, "malformed");
});

// Would catch a server that fills its memory for a reader who does not read.
test("a slow reader is read nothing ahead of", async () => {
  const server = await serve({ limits: { readerStallMsMax: 36_000_000 } });
  await server.post("/actors/ledger/l/burst", { count: 1_000 });
  let reads = 0;
  const { runtime } = server;
  const stream = runtime.stream.bind(runtime);
  runtime.stream = (...args) => {
    reads++;
    return stream(...args);
  };
  const live = await server.live("/actors/ledger/l/events");
  const before = reads;
  await server.clock.advance("1h");
  expect(reads).toBe(before);
  await live.chunk(); // "retry"
  await server.clock.advance("1h");
  expect(reads).toBe(before + 1);
  expect((await live.events(100)).at(-1)?.id).toBe("100");
  await server.clock.advance("1h");
  expect(reads).toBe(before + 2);
  expect((await live.events(900)).at(-1)?.id).toBe("1000");
});

test("as many readers as allowed, and not one more; one who leaves makes room", async () => {
  const server = await serve({ limits: { readersMax: 3 } });
  const readers = [
    await server.live("/events"),
    await server.live("/events"),
    await server.live("/actors/ledger/l/events"),
  ];
  for (const path of ["/events", "/actors/ledger/l/events"]) {
    const refused = await server.get(path, accept);
    expectProblem(refused, 503, "too-many-readers");
    expect(refused.headers.get("retry-after")).toBe("2");
    expect(refused.body.readersMax).toBe(3);
  }
  expect((await server.get("/events")).status).toBe(200); // pages are not streams
  for (const reader of readers) await reader.cut();
  for (let n = 0; n < 3; n++) await server.live("/events");
  expectProblem(await server.get("/events", accept), 503, "too-many-readers");
});

test("draining ends all streams, those that wait and those not yet read", async () => {
  const server = await serve();
  await add(server, "l", 1);
  const waiting = await server.live("/events");
  await waiting.events(1);
  const next = waiting.chunk();
  const unread = await server.live("/actors/ledger/l/events");
  await server.runtime.drain();
  expect(await next).toBeUndefined();
  await unread.events(2);
  expect(unread.isOver).toBe(true);
});

// Would catch a reader's place that is never given back when the store fails under it.
test("a stream whose log cannot be read breaks off, and its place is free again", async () => {
  const world = await World.start({ modules: [ledger], limits: { readersMax: 1 } });
  const app = createApp(world.runtime);
  const open = () => app.request("http://localhost/events", { headers: accept });
  await world.runtime.ask(ledger.ref("l").add({ n: 1 }));
  const [database] = world.databases;
  if (!database) throw new Error("There is one shard");
  const first = (await open()).body;
  if (!first) throw new Error("A live stream has a body");
  database.readFailures = 1;
  await expect(new Live(first).events(1)).rejects.toThrow();
  const second = await open();
  expect(second.status).toBe(200);
  await second.body?.cancel();
});

// Would catch a reader that has stopped reading holding its place, and what was read for it, for ever.
test("a reader that takes nothing for too long is dropped, and what is held for it; others go on", async () => {
  const world = await World.start({ modules: [ledger], limits: { readerStallMsMax: 30_000, readersMax: 2 } });
  const app = createApp(world.runtime);
  const open = async () => {
    const response = await app.request("/events", { headers: accept });
    return { status: response.status, reader: response.body?.getReader() };
  };
  const [stalled, other] = [await open(), await open()];
  const seen: string[] = [];
  const reading = (async () => {
    for (let part = await other.reader?.read(); part && !part.done; part = await other.reader?.read()) {
      seen.push(new TextDecoder().decode(part.value));
    }
  })();
  for (let n = 1; n <= 500; n++) await world.runtime.ask(ledger.ref("l").add({ n }));
  await world.clock.advance("29s");
  expect((await open()).status).toBe(503);
  await world.clock.advance("2s");
  await expect((async () => {
    while (!(await stalled.reader?.read())?.done);
  })()).rejects.toThrow("Reader has taken nothing for 30000 ms");
  const again = await open();
  expect(again.status).toBe(200);
  await again.reader?.cancel();
  await world.settle();
  expect(seen.join("").match(/^event: Added$/gm)).toHaveLength(500);
  await other.reader?.cancel();
  await reading;
});
