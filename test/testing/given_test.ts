import { type EventOf, given } from "folio/testing";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { actor } from "../../src/core/actor.ts";
import { command } from "../../src/core/command.ts";

let calls = 0;

const parcel = actor("parcel", {
  initialState: () => ({ at: "", stamps: [] as string[] }),
  events: {
    Moved: z.object({ to: z.string(), by: z.string().optional() }),
    Stamped: z.object({ stamp: z.string() }),
    Spoiled: z.object({}),
    Peeked: z.object({ extra: z.any() }),
  },
  rejections: { lost: z.object({ since: z.number() }) },
  evolve: {
    Moved: (state, event) => ({ ...state, at: event.to }),
    Stamped: (state, event) => ({ ...state, stamps: [...state.stamps, event.stamp] }),
    Spoiled: (state) => ({ ...state, at: new Date(0) as unknown as string }),
    Peeked: (state, event) => ({ ...state, at: event.extra instanceof Map ? "map" : "object" }),
  },
  commands: {
    move: command(z.object({ to: z.string() }), (turn, input) => {
      if (input.to === "nowhere") turn.reject("lost", { since: turn.now });
      turn.emit("Moved", { to: input.to });
      turn.send(parcelRef("other").stamp(), { after: "15m" });
      return { from: turn.key };
    }),
    stamp: command(z.object({ text: z.string().default("x") }), (turn, input) => {
      turn.emit("Stamped", { stamp: `${input.text} ${turn.id()} ${turn.id()} ${turn.random()}` });
    }),
    spoil: command(z.object({}), (turn) => turn.emit("Spoiled", {})),
    peek: command(z.object({}), (turn) => turn.emit("Peeked", { extra: new Map() })),
    count: command(z.object({}), (turn) => turn.emit("Stamped", { stamp: String(++calls) })),
    send: command(z.object({ type: z.string(), command: z.string() }), (turn, input) => {
      turn.send({ type: input.type, key: "k", command: input.command, input: {} });
    }),
    fail: command(z.object({}), (): void => {
      throw new RangeError("out of stamps");
    }),
  },
});
function parcelRef(key: string) {
  return { stamp: () => ({ type: "parcel", key, command: "stamp", input: {} }) };
}

const message = (check: () => unknown): string => {
  try {
    check();
  } catch (error) {
    return error instanceof Error ? `${error.name} ${error.message}` : String(error);
  }
  return "nothing was thrown";
};

test("events, rejections, failures and replies that are as expected pass", () => {
  given(parcel, []).when("move", { to: "Rome" }).then([["Moved", { to: "Rome" }]]).thenReply({ from: "key" });
  given(parcel, []).when("move", { to: "nowhere" }, { now: 7 }).then({
    rejected: "lost",
    details: { since: 7 },
  });
  given(parcel, []).when("move", { to: "nowhere" }).then({ rejected: "lost" });
  given(parcel, []).when("fail").then({ failed: /RangeError: out of stamps/ });
});

test("ids, chance, key and time are the same in every run, or what the test says", () => {
  given(parcel, []).when("stamp").then([["Stamped", { stamp: "x id-1 id-2 0.5" }]]);
  given(parcel, []).when("stamp", { text: "y" }, { random: 0.25 }).then([["Stamped", {
    stamp: "y id-1 id-2 0.25",
  }]]);
  given(parcel, []).when("move", { to: "Rome" }, { key: "p7" }).thenReply({ from: "p7" });
});

test("the outcome tells the rest: state, version, sends", () => {
  const past: EventOf<typeof parcel>[] = [["Moved", { to: "Oslo" }], ["Stamped", { stamp: "a" }]];
  const { outcome } = given(parcel, past).when("move", { to: "Rome" });
  expect(outcome.state).toEqual({ at: "Rome", stamps: ["a"] });
  expect(outcome.version).toBe(3);
  expect(outcome.sends).toEqual([{
    request: { type: "parcel", key: "other", command: "stamp", input: {} },
    delayMs: 900_000,
  }]);
  const rejected = given(parcel, past).when("move", { to: "nowhere" }).outcome;
  expect(rejected).toMatchObject({
    kind: "rejected",
    version: 2,
    state: { at: "Oslo" },
    events: [],
    reply: undefined,
  });
});

describe("a difference fails, and the message shows both sides:", () => {
  test.each<[string, () => unknown, RegExp[]]>([
    [
      "other payload",
      () => given(parcel, []).when("move", { to: "Rome" }).then([["Moved", { to: "Oslo" }]]),
      [/\+ .*Rome/, /- .*Oslo/],
    ],
    ["no events", () => given(parcel, []).when("move", { to: "Rome" }).then([]), [/Moved/]],
    ["a rejection instead", () => given(parcel, []).when("move", { to: "nowhere" }).then([]), [
      /rejected: 'lost'/,
    ]],
    ["a failure instead", () => given(parcel, []).when("fail").then([]), [/out of stamps/]],
    [
      "events instead of a rejection",
      () => given(parcel, []).when("move", { to: "Rome" }).then({ rejected: "lost" }),
      [/Moved/, /lost/],
    ],
    [
      "other details",
      () =>
        given(parcel, []).when("move", { to: "nowhere" }, { now: 1 }).then({
          rejected: "lost",
          details: { since: 2 },
        }),
      [/since: 1/, /since: 2/],
    ],
    ["another failure", () => given(parcel, []).when("fail").then({ failed: /paper/ }), [
      /out of stamps/,
      /paper/,
    ]],
    ["another reply", () => given(parcel, []).when("move", { to: "Rome" }).thenReply({ from: "x" }), [
      /from: 'key'/,
    ]],
    ["no reply", () => given(parcel, []).when("fail").thenReply(undefined as never), [/out of stamps/]],
  ])("%s", (_what, check, patterns) => {
    const text = message(check);
    expect(text).toMatch(/^AssertionError/);
    for (const pattern of patterns) expect(text).toMatch(pattern);
  });
});

describe("what the runtime relies on is checked:", () => {
  test("given events fit their schemas", () => {
    expect(message(() => given(parcel, [["Moved", { to: 7 as unknown as string }]]))).toMatch(
      /Given event 1 \(Moved\) does not fit/,
    );
    expect(message(() => given(parcel, [["Gone" as "Moved", { to: "" }]]))).toMatch(/has no event Gone/);
  });

  test("states survive being stored", () => {
    expect(message(() => given(parcel, []).when("spoil"))).toMatch(
      /The state after the turn changes when it is stored/,
    );
    expect(message(() => given(parcel, [["Spoiled", {}]]))).toMatch(
      /after given event 1 \(Spoiled\) changes/,
    );
  });

  test("a replay of the log gives the state that the turn saw", () => {
    expect(message(() => given(parcel, []).when("peek"))).toMatch(/replay/i);
  });

  test("a turn gives the same each time it is run", () => {
    expect(message(() => given(parcel, []).when("count"))).toMatch(/run twice/);
  });

  // Would catch a clock that gives the same in two runs, as they are within a millisecond of each other.
  test.each(
    [
      ["Date.now()", () => Date.now()],
      ["new Date()", () => new Date().getTime()],
      ["Date()", () => Date()],
      ["performance.now()", () => performance.now()],
      ["Math.random()", () => Math.random()],
      ["crypto.randomUUID()", () => crypto.randomUUID()],
      ["crypto.getRandomValues()", () => crypto.getRandomValues(new Uint8Array(1)).join()],
    ] as const,
  )("a turn has no %s, and everybody else has it again", (name, take) => {
    const taker = actor("taker", {
      initialState: () => ({ isKnown: false }),
      events: { Known: z.object({}) },
      evolve: { Known: () => ({ isKnown: true }) },
      commands: { know: command(z.object({}), (turn) => (take(), turn.emit("Known", {}))) },
    });
    const { error } = given(taker, []).when("know").outcome;
    expect(String(error)).toContain(`TypeError: ${name} was called in a turn: take `);
    expect(take()).toBeDefined();
  });

  test("a turn may read and write dates as such", () => {
    const dated = actor("dated", {
      initialState: () => ({ day: "" }),
      events: { Dated: z.object({ day: z.string() }) },
      evolve: { Dated: (_, { day }) => ({ day }) },
      commands: {
        date: command(z.object({}), (turn) => {
          const date = new Date(turn.now);
          if (!(date instanceof Date) || Date.UTC(2026, 0, 1) !== Date.parse("2026-01-01")) {
            throw new Error("?");
          }
          turn.emit("Dated", { day: date.toISOString() });
        }),
      },
    });
    given(dated, []).when("date").then([["Dated", { day: "2026-01-01T00:00:00.000Z" }]]);
  });

  test("what is sent can be handled, as far as the modules are known", () => {
    const send = (type: string, name: string) => given(parcel, []).when("send", { type, command: name });
    send("parcel", "stamp").then([]);
    send("elsewhere", "anything").then([]);
    send("parcel", "unheard-of").then({ failed: /no command/ });
    given(parcel, []).when("send", { type: "elsewhere", command: "x" }, { modules: [] }).then({
      failed: /no actor type/,
    });
  });

  test("the actor itself may be among the modules, as it is in a list of all of them", () => {
    given(parcel, []).when("send", { type: "parcel", command: "stamp" }, { modules: [parcel] }).then([]);
  });

  test("a test that is awaited without saying what it expects fails", async () => {
    const incomplete: unknown = given(parcel, []).when("stamp");
    await expect(Promise.resolve(incomplete)).rejects.toThrow("call then with what is expected");
  });

  test("one that says it may be returned from a test", async () => {
    expect(await Promise.resolve(given(parcel, []).when("fail").then({ failed: /stamps/ }))).toHaveProperty(
      "outcome",
    );
  });
});

test("wrong names, payloads, inputs and replies do not compile", () => {
  // Never called: the compiler is what tests it.
  const types = () => {
    // @ts-expect-error no such event
    given(parcel, [["Vanished", {}]]);
    // @ts-expect-error wrong payload
    given(parcel, [["Moved", { to: 7 }]]);
    // @ts-expect-error no such command
    given(parcel, []).when("vanish");
    // @ts-expect-error the input is missing
    given(parcel, []).when("move");
    // @ts-expect-error wrong input
    given(parcel, []).when("move", { to: 7 });
    // @ts-expect-error wrong payload
    given(parcel, []).when("move", { to: "x" }).then([["Moved", { too: "x" }]]);
    // @ts-expect-error no such rejection
    given(parcel, []).when("move", { to: "x" }).then({ rejected: "found" });
    // @ts-expect-error wrong reply
    given(parcel, []).when("move", { to: "x" }).thenReply({ from: 7 });
    // @ts-expect-error states are typed too
    given(parcel, []).when("move", { to: "x" }).outcome.state.weight;
  };
  expect(types).toBeTypeOf("function");
});
