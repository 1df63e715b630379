import { expect, test } from "vitest";
import { z } from "zod";
import { actor } from "../../src/core/actor.ts";
import { command, type CommandRequest } from "../../src/core/command.ts";
import { codeOf, World } from "../support/world.ts";

/** Handlers that do what handlers must not do. */
function naughty() {
  const late: (() => void)[] = [];
  const definition = actor("naughty", {
    initialState: () => ({ list: [] as number[], more: { deep: [1] } }),
    events: { Noted: z.object({ n: z.int() }) },
    evolve: { Noted: (state, event) => ({ ...state, list: [...state.list, event.n] }) },
    commands: {
      note: command(z.object({ n: z.int() }), (turn, input) => {
        turn.emit("Noted", { n: input.n });
        return turn.state.list;
      }),
      // @ts-expect-error A handler that gives a promise does not compile; in JavaScript it fails.
      // deno-lint-ignore require-await
      later: command(z.object({}), async (turn) => {
        turn.emit("Noted", { n: 1 });
      }),
      afterTheEnd: command(z.object({}), (turn) => {
        late.push(() => turn.emit("Noted", { n: 9 }));
        late.push(() => turn.send({ type: "naughty", key: "k", command: "note", input: { n: 9 } }));
        late.push(() => turn.reject("late"));
        turn.emit("Noted", { n: 1 });
      }),
      mutate: command(z.object({ what: z.enum(["state", "deep", "emitted"]) }), (turn, input) => {
        if (input.what === "state") (turn.state as { list: unknown }).list = [];
        if (input.what === "deep") turn.state.more.deep.push(2);
        turn.emit("Noted", { n: 1 });
        turn.state.list.push(2);
      }),
      swallow: command(z.object({}), (turn) => {
        turn.emit("Noted", { n: 1 });
        try {
          turn.reject("no");
        } catch { /* as if nothing had been said */ }
      }),
      notJson: command(z.object({}), () => 1n as unknown as number),
      circular: command(z.object({}), () => {
        const reply: { self?: unknown } = {};
        reply.self = reply;
        return reply;
      }),
      huge: command(z.object({ length: z.int() }), (_turn, input) => "x".repeat(input.length)),
      unknownEvent: command(z.object({}), (turn) => {
        (turn.emit as (name: string, payload: unknown) => void)("Unheard", {});
      }),
      badPayload: command(z.object({}), (turn) => {
        turn.emit("Noted", { n: 1 });
        (turn.emit as (name: string, payload: unknown) => void)("Noted", { n: "one" });
      }),
    },
  });
  return { definition, ref: definition.ref("k"), late };
}

async function start(limits = {}) {
  const made = naughty();
  return { ...made, world: await World.start({ modules: [made.definition], limits }) };
}

test.each(
  [
    ["an asynchronous handler", "later"],
    ["a reply that is not JSON", "notJson"],
    ["a circular reply", "circular"],
    ["an event that the actor type does not have", "unknownEvent"],
    ["a payload that does not fit, after one that does", "badPayload"],
  ] as const,
)("%s fails the turn, and nothing of it is recorded", async (_what, name) => {
  const { world, ref } = await start();
  const request: CommandRequest = ref[name]();
  expect(await codeOf(world.runtime.ask(request))).toBe("handler-failed");
  expect(await world.events()).toEqual([]);
  expect(await world.runtime.ask(ref.note({ n: 7 }))).toMatchObject({ reply: [7], version: 1 });
});

test("the error of an asynchronous handler says what is wrong", async () => {
  const { world, ref } = await start();
  await codeOf(world.runtime.ask(ref.later()));
  expect(world.logged.join()).toContain("Handler of later must be synchronous");
});

// Would catch events that join another turn's commit, or none.
test("a turn that has ended takes no more", async () => {
  const { world, ref, late } = await start();
  await world.runtime.ask(ref.afterTheEnd());
  expect(late).toHaveLength(3);
  for (const act of late) expect(act).toThrow("Turn has ended");
  expect(await world.runtime.state("naughty", "k")).toMatchObject({ state: { list: [1] }, version: 1 });
});

test.each(["state", "deep", "emitted"] as const)("a state cannot be changed by hand (%s)", async (what) => {
  const { world, ref } = await start();
  expect(await codeOf(world.runtime.ask(ref.mutate({ what })))).toBe("handler-failed");
  expect(world.logged.join()).toContain("TypeError");
  expect(await world.runtime.state("naughty", "k")).toEqual({
    state: { list: [], more: { deep: [1] } },
    version: 0,
  });
});

test("a rejection that the handler swallows is one all the same", async () => {
  const { world, ref } = await start();
  expect(await world.runtime.ask(ref.swallow())).toMatchObject({ ok: false, rejection: { code: "no" } });
  expect(await world.events()).toEqual([]);
});

test("a reply may be as long as its limit and not longer", async () => {
  const { world, ref } = await start({ payloadBytesMax: 102 });
  expect(await codeOf(world.runtime.ask(ref.huge({ length: 100 })))).toHaveProperty("resolved");
  expect(await codeOf(world.runtime.ask(ref.huge({ length: 101 })))).toBe("handler-failed");
});

test("what a caller is given cannot be used to change the actor's state", async () => {
  const { world, ref } = await start();
  const result = await world.runtime.ask(ref.note({ n: 1 }));
  if (!result.ok) throw new Error("rejected");
  (result.reply as number[]).push(2); // a copy of its own
  const { state } = await world.runtime.state("naughty", "k");
  expect((state as { list: number[] }).list).toEqual([1]);
  expect(() => (state as { list: number[] }).list.push(2)).toThrow(TypeError);
});

const HALF = "\ud83d";

/** Puts half a surrogate pair wherever the test says. */
const halving = actor("halving", {
  initialState: () => 0,
  events: { Said: z.object({ text: z.string() }) },
  evolve: { Said: (said) => said + 1 },
  commands: {
    say: command(z.object({ where: z.string(), text: z.string() }), (turn, { where, text }) => {
      const cut = text.slice(0, -1);
      turn.emit("Said", { text: where === "event" ? cut : text });
      if (where === "reject") turn.reject("no", { cut });
      if (where === "send") turn.send(halving.ref("k").say({ where: "", text: cut }));
      if (where === "timer input") {
        turn.schedule("t", { after: "1s" }, halving.ref("k").say({ where: "", text: cut }));
      }
      if (where === "timer name") {
        turn.schedule(cut, { after: "30s" }, halving.ref("k").say({ where: "", text }));
      }
      if (where === "throw") throw new Error(cut);
      return { [where === "reply key" ? cut : "key"]: where === "reply" ? cut : text };
    }),
  },
});

// Would catch what is bytes and no text on the disk: the name of a timer that ended the process that read it, and
// each one after that.
test.each(["event", "reject", "send", "timer input", "timer name", "reply", "reply key", "throw"])(
  "half a surrogate pair that a handler makes (%s) fails the turn, and a whole one does not",
  async (where) => {
    const world = await World.start({ modules: [halving] });
    const say = (text: string, place = where) =>
      world.runtime.ask(halving.ref("k").say({ where: place, text }));
    expect(await codeOf(say("ab😀"))).toBe("handler-failed");
    expect(await world.events()).toEqual([]);
    expect(await codeOf(say("\\ud83d😀?", "event"))).toHaveProperty("resolved");
    await world.restart();
    expect((await world.runtime.state("halving", "k")).version).toBe(1);
  },
);

test("half a surrogate pair in an error of a message that is kept is made whole", async () => {
  const world = await World.start({ modules: [halving] });
  await world.runtime.send(halving.ref("k").say({ where: "throw", text: "ab😀" }), { messageId: "m" });
  await world.settle();
  expect((await world.message("m"))?.failures).toMatchObject([{ error: "Error: ab\ufffd" }]);
});

test("half a surrogate pair from the program around it is refused", async () => {
  const world = await World.start({ modules: [halving] });
  const say = (text: string, options = {}) =>
    codeOf(world.runtime.ask(halving.ref("k").say({ where: "", text }), options));
  expect(await say(HALF)).toBe("invalid-input");
  for (const name of ["correlationId", "traceparent", "expectedVersion"]) {
    expect(await say("whole", { [name]: HALF })).toBe("malformed");
  }
  expect(await say("whole", { correlationId: "😀" })).toHaveProperty("resolved");
});

test("an expected version lets through exactly that version", async () => {
  const { world, ref } = await start();
  const note = (expectedVersion: string) =>
    codeOf(world.runtime.ask(ref.note({ n: 1 }), { expectedVersion }));
  expect(await note("*")).toBe("version-mismatch");
  expect(await note("1")).toBe("version-mismatch");
  expect(await note("0")).toHaveProperty("resolved");
  expect(await note("*")).toHaveProperty("resolved");
  expect(await note("1")).toBe("version-mismatch");
  expect(await note("7,2,9")).toHaveProperty("resolved");
  expect((await world.runtime.state("naughty", "k")).version).toBe(3);
});

test("a message in a mailbox that expects another version is rejected, and that is kept", async () => {
  const { world, ref } = await start();
  await world.runtime.send(ref.note({ n: 1 }), { messageId: "m", expectedVersion: "4" });
  await world.settle();
  expect(await world.message("m")).toMatchObject({
    status: "rejected",
    outcome: { rejection: "version-mismatch", details: { expected: "4", version: 0 } },
  });
});

test("a named command that expected another version may be sent again with the right one", async () => {
  const { world, ref } = await start();
  const send = (expectedVersion: string) =>
    codeOf(world.runtime.ask(ref.note({ n: 1 }), { messageId: "m", expectedVersion }));
  expect(await send("4")).toBe("version-mismatch");
  expect(await send("0")).toHaveProperty("resolved");
  expect(await world.events()).toHaveLength(1);
});

test("requests that nobody can handle are refused before anything is done", async () => {
  const { world, ref } = await start();
  const { runtime } = world;
  const ask = (changes: object, options = {}) =>
    codeOf(runtime.ask({ type: "naughty", key: "k", command: "note", input: { n: 1 }, ...changes }, options));
  expect(await ask({ type: "nobody" })).toBe("unknown-actor-type");
  expect(await ask({ command: "toString" })).toBe("unknown-command");
  expect(await ask({ key: "" })).toBe("malformed");
  expect(await ask({ key: "x".repeat(513) })).toBe("malformed");
  expect(await ask({ input: { n: 1.5 } })).toBe("invalid-input");
  expect(await ask({}, { messageId: "with space" })).toBe("malformed");
  expect(await world.events()).toEqual([]);
  expect(await codeOf(runtime.ask(ref.note({ n: 1 })))).toHaveProperty("resolved");
});

// Would catch an input that cannot be stored failing the commit, and with it everyone else's turns.
test.each([1n, new Date(0), Number.NaN, () => 1, new Map([["a", 1]])])(
  "an input that is not JSON (%s) is refused at the door, and nobody else notices",
  async (input) => {
    const anything = actor("anything", {
      initialState: () => 0,
      events: { Took: z.object({}) },
      evolve: { Took: (state) => state + 1 },
      commands: { take: command(z.any(), (turn) => turn.emit("Took", {})) },
    });
    const world = await World.start({ modules: [anything] });
    const good = world.runtime.send(anything.ref("k").take({ n: 1 }));
    expect(await codeOf(world.runtime.send(anything.ref("k").take(input)))).toBe("invalid-input");
    expect(await codeOf(world.runtime.ask(anything.ref("k").take(input), { messageId: "m" }))).toBe(
      "invalid-input",
    );
    await good;
    expect((await world.runtime.state("anything", "k")).version).toBe(1);
  },
);
