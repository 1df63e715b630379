/** Reactors answer each event once, whatever crashes, and hold back only themselves. */
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { actor } from "../../src/core/actor.ts";
import { command } from "../../src/core/command.ts";
import { reactor } from "../../src/core/reactor.ts";
import { codeOf } from "../support/world.ts";
import { Followed, listener, source, tell } from "./support.ts";

describe.each([1, 4])("with %i shards", (shards) => {
  test("each event is answered once, and messages keep the order of their events", async () => {
    const followed = await Followed.start({ shards });
    for (let n = 1; n <= 250; n++) await followed.say("a", n);
    const all = Array.from({ length: 250 }, (_, index) => index + 1);
    expect(await followed.heard("a")).toEqual(all);
    expect(await followed.heard("all")).toEqual(all);
    expect(followed.reactors.list()).toEqual([{ name: "tell", status: "live", lagEvents: 0 }]);
  });

  // Would catch a checkpoint that is written apart from what was sent: before it, sends are lost; after it,
  // they are doubled.
  test.each(["before", "after"] as const)(
    "a commit that fails %s it is written loses and doubles nothing",
    async (fault) => {
      for (let commit = 1; commit <= 5; commit++) {
        const followed = await Followed.start({ shards });
        await followed.heard("all");
        const engine = followed.world.engineOf("source/a");
        engine.plan(...Array.from({ length: commit - 1 }, () => "ok" as const), fault);
        for (let n = 1; n <= 3; n++) await followed.say("a", n).catch(() => {});
        await followed.world.clock.advance("10s");
        const said = (await followed.world.events()).filter(({ type }) => type === "Said");
        const numbers = said.map(({ payload }) => (payload as { n: number }).n);
        expect(await followed.heard("a")).toEqual(numbers);
        expect(await followed.heard("all")).toEqual(numbers);
      }
    },
  );

  test("a process that is killed at any commit leaves each event answered once", async () => {
    for (let commit = 0; commit < 6; commit++) {
      const followed = await Followed.start({ shards });
      for (let n = 1; n <= 3; n++) {
        await followed.say("a", n);
        if (n * 2 > commit) await followed.world.settle();
      }
      await followed.world.crash();
      followed.follow();
      await followed.say("a", 4);
      await followed.world.clock.advance("10s");
      expect(await followed.heard("a")).toEqual([1, 2, 3, 4]);
      expect(await followed.heard("all")).toEqual([1, 2, 3, 4]);
    }
  });
});

// Would catch an event that is not answered, because a client has sent something under the message's id before.
test("a client cannot take the id of a message that a reactor will send", async () => {
  const followed = await Followed.start();
  const { runtime, clock } = followed.world;
  const deliverAt = clock.now() + 30_000;
  const taken = (messageId: string) =>
    codeOf(runtime.send(listener.ref("a").hear({ n: 0 }), { messageId, deliverAt }));
  for (const id of ["tell.0.1.0", "tell~3.0.1.0"]) expect(await taken(id)).toBe("malformed");
  for (const id of ["other.0.1.0", "tell.0.1", "tell.a.1.0"]) {
    expect(await taken(id)).toHaveProperty("resolved");
  }
  await followed.say("a", 1);
  expect(await followed.heard("a")).toEqual([1]);
});

const echo = actor("echo", {
  initialState: () => [] as number[],
  events: { Heard: z.object({ n: z.int() }) },
  evolve: { Heard: (state, event) => [...state, event.n] },
  commands: {
    hear: command(
      z.object({ n: z.int(), text: z.string() }),
      (turn, { n }) => turn.emit("Heard", { n }),
    ),
  },
});

/** Sends 1,000 bytes for each event, so many times. */
const loud = (times: number) =>
  reactor("loud", {
    from: [source],
    startFrom: "beginning",
    on: {
      "source/Said": (react, { payload: { n } }) => {
        for (let time = 0; time < times; time++) react.send(echo.ref("e").hear({ n, text: "x".repeat(983) }));
      },
    },
  });

// Would catch a commit that is longer than any can be, and fails again and again with all that has joined it.
test("what is sent about many events is as many commits as it takes", async () => {
  const limits = { commitBytesMax: 3_000, mailboxDepthMax: 1_000 };
  const followed = await Followed.start({ modules: [source, echo], limits });
  for (let n = 1; n <= 9; n++) await followed.say("a", n);
  await followed.world.restart([source, echo, loud(1)]);
  followed.follow();
  await followed.world.settle();
  const { written } = followed.world.engineOf("echo/e");
  const reached = written.flatMap(({ checkpoints }) => checkpoints).map(([, position]) => position);
  expect(reached).toEqual([0, 3, 6, 9]);
  expect((await followed.world.runtime.state("echo", "e")).state).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("a reactor sends as much about one event as a turn may, and stops at one with more", async () => {
  for (const [times, status] of [[5, "live"], [6, "failed"]] as const) {
    const followed = await Followed.start({
      modules: [source, echo, loud(times)],
      limits: { turnBytesMax: 5_000 },
    });
    await followed.say("a", 1);
    await followed.world.settle();
    expect(followed.reactors.list()).toMatchObject([{ name: "loud", status }]);
    const { state } = await followed.world.runtime.state("echo", "e");
    expect(state).toEqual(status === "live" ? [1, 1, 1, 1, 1] : []);
  }
});

test("a reactor that starts from now does not see what was before, also after a restart", async () => {
  const late = reactor("late", {
    from: [source],
    on: { "source/Said": (react, event) => react.send(listener.ref("late").hear({ n: event.payload.n })) },
  });
  const followed = await Followed.start({ modules: [source, listener] });
  await followed.say("a", 1);
  await followed.stop();
  const modules = [source, listener, late];
  await followed.world.restart(modules);
  followed.follow();
  await followed.world.settle();
  await followed.stop();
  await followed.world.restart(modules);
  await followed.say("a", 2);
  followed.follow();
  await followed.world.settle();
  expect(await followed.heard("late")).toEqual([2]);
});

test("a handler that throws stops its reactor at that event, and it goes on there once the code is mended", async () => {
  let isBroken = true;
  const fragile = reactor("fragile", {
    from: [source],
    startFrom: "beginning",
    on: {
      "source/Said": (react, event) => {
        if (isBroken && event.payload.n === 2) throw new Error("cannot do two");
        react.send(listener.ref("fragile").hear({ n: event.payload.n }));
      },
    },
  });
  const followed = await Followed.start({ modules: [source, listener, tell, fragile] });
  for (let n = 1; n <= 3; n++) await followed.say("a", n);
  expect(await followed.heard("fragile")).toEqual([1]);
  expect(await followed.heard("all")).toEqual([1, 2, 3]);
  expect(followed.reactors.list()).toMatchObject([
    { name: "tell", status: "live" },
    {
      name: "fragile",
      status: "failed",
      failure: { error: "Error: cannot do two", event: { type: "Said" } },
    },
  ]);
  isBroken = false;
  await followed.stop();
  await followed.world.restart();
  followed.follow();
  expect(await followed.heard("fragile")).toEqual([1, 2, 3]);
});

test("an asynchronous handler is refused", async () => {
  const slow = reactor("slow", {
    from: [source],
    startFrom: "beginning",
    // deno-lint-ignore require-await
    on: { "source/Said": async (react, event) => react.send(listener.ref("x").hear({ n: event.payload.n })) },
  });
  const followed = await Followed.start({ modules: [source, listener, slow] });
  await followed.say("a", 1);
  await followed.world.settle();
  expect(followed.reactors.list()).toMatchObject([{
    status: "failed",
    failure: { error: expect.stringContaining("synchronous") },
  }]);
  expect(await followed.heard("x")).toEqual([]);
});

// Would catch messages that are skipped, or a reactor that gives up, when receivers are slow.
test("a full mailbox holds the reactor back, and nothing is left out", async () => {
  let isBusy = true;
  const busy = actor("busy", {
    initialState: () => [] as number[],
    events: { Heard: z.object({ n: z.int() }) },
    evolve: { Heard: (state, event) => [...state, event.n] },
    mailboxDepthMax: 2,
    retry: { attemptsMax: 100, delayMs: 100, delayMsMax: 100, jitter: 0 },
    commands: {
      hear: command(z.object({ n: z.int() }), (turn, input) => {
        if (isBusy) throw new Error("busy");
        turn.emit("Heard", { n: input.n });
      }),
    },
  });
  const push = reactor("push", {
    from: [source],
    startFrom: "beginning",
    on: { "source/Said": (react, event) => react.send(busy.ref("b").hear({ n: event.payload.n })) },
  });
  const followed = await Followed.start({ modules: [source, busy, push] });
  for (let n = 1; n <= 5; n++) await followed.say("a", n);
  await followed.world.settle();
  expect(followed.reactors.list()[0]?.lagEvents).toBeGreaterThan(0);
  isBusy = false;
  await followed.world.clock.advance("30s");
  expect((await followed.world.runtime.state("busy", "b")).state).toEqual([1, 2, 3, 4, 5]);
});
