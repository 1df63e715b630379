import fc from "fast-check";
import { expect, test } from "vitest";
import { serve } from "./support.ts";

interface Seen {
  readonly shard: number;
  readonly position: number;
  readonly version: number;
}

const keys = ["a", "b", "c", "d", "e"];

/** Where a reader is cut off, by events read since the last cut, and what is written before it comes back. */
const rounds = fc.array(
  fc.record({
    read: fc.nat({ max: 5 }),
    writes: fc.array(fc.constantFrom(...keys), { maxLength: 5 }),
    /** Whether the cut comes in the midst of a chunk that has been read, or before it was. */
    waits: fc.boolean(),
  }),
  { maxLength: 8 },
);

test.each([1, 4])(
  "the log's reader, cut off anywhere and resumed by Last-Event-ID, sees all once, %i shards",
  async (shards) => {
    await fc.assert(
      fc.asyncProperty(rounds, async (rounds) => {
        const server = await serve({ shards });
        const write = (writes: string[]) =>
          Promise.all(writes.map((key) => server.post(`/actors/ledger/${key}/add`, { n: 1 })));
        const seen: Seen[] = [];
        let lastEventId = "";
        let written = 0;
        for (const { read, writes, waits } of [...rounds, { read: Infinity, writes: [], waits: false }]) {
          const live = await server.live("/events", { "last-event-id": lastEventId });
          if (waits) await server.clock.settle();
          const wanted = Math.min(read, written - seen.length);
          for (const frame of await live.events(wanted)) {
            seen.push(frame.data);
            lastEventId = frame.id ?? "";
          }
          const isWritten = write(writes);
          await live.cut(); // while something is being written
          await isWritten;
          written += writes.length;
          await server.clock.advance(1);
        }
        expect(seen).toHaveLength(written);
        for (let shard = 0; shard < shards; shard++) {
          const positions = seen.filter((event) => event.shard === shard).map(({ position }) => position);
          expect(positions).toEqual(positions.map((_, index) => index + 1));
        }
        await server.runtime[Symbol.asyncDispose]();
      }),
      { numRuns: 40 },
    );
  },
);

test("an actor's reader, cut off anywhere and resumed by Last-Event-ID, sees all once", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ read: fc.nat({ max: 4 }), writes: fc.nat({ max: 4 }) })),
      async (rounds) => {
        const server = await serve();
        const seen: number[] = [];
        let lastEventId = "";
        let written = 0;
        for (const { read, writes } of [...rounds, { read: Infinity, writes: 0 }]) {
          const live = await server.live("/actors/ledger/l/events", { "last-event-id": lastEventId });
          for (const frame of await live.events(Math.min(read, written - seen.length))) {
            seen.push(frame.data.version);
            lastEventId = frame.id ?? "";
          }
          for (let n = 0; n < writes; n++) await server.post("/actors/ledger/l/add", { n });
          written += writes;
          await live.cut();
        }
        expect(seen).toEqual(Array.from({ length: written }, (_, index) => index + 1));
        await server.runtime[Symbol.asyncDispose]();
      },
    ),
    { numRuns: 30 },
  );
});

// A reader whose connection is cut in the midst of a frame has not seen that frame's id.
test("cut at any byte, the last whole frame is where to go on", async () => {
  const server = await serve({ shards: 4 });
  for (let n = 0; n < 12; n++) await server.post(`/actors/ledger/${keys[n % 5]}/add`, { n });
  const whole = await server.live("/events");
  await whole.chunk();
  const text = await whole.chunk() ?? "";
  const messageIdsIn = (text: string) => [...text.matchAll(/"messageId":"(\w+)"/g)].map(([, id]) => id);
  const everything = messageIdsIn(text);
  expect(everything).toHaveLength(12);
  for (let at = 0; at <= text.length; at += 37) {
    const before = text.slice(0, text.slice(0, at).lastIndexOf("\n\n") + 1);
    const lastEventId = [...before.matchAll(/^id: (.*)$/gm)].at(-1)?.[1] ?? "";
    const resumed = await server.live("/events", { "last-event-id": lastEventId });
    const rest = await resumed.events(12 - messageIdsIn(before).length);
    expect([...messageIdsIn(before), ...rest.map(({ data }) => data.messageId)]).toEqual(everything);
    await resumed.cut();
  }
});
