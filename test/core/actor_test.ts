import { describe, expect, test } from "vitest";
import { z } from "zod";
import { actor } from "../../src/core/actor.ts";
import { defaultRetryPolicy } from "../../src/core/backoff.ts";
import { command } from "../../src/core/command.ts";
import { event } from "../../src/core/event.ts";

const nothing = command(z.object({}), () => {});
const Amount = z.object({ amount: z.int() });

/** The smallest actor, with what a test wants to be different. */
function define(parts: object = {}, name = "thing") {
  return actor(name, {
    initialState: () => ({ n: 0 }),
    events: {},
    evolve: {},
    commands: {},
    ...parts,
  });
}

describe("a definition is refused", () => {
  test.each([
    "",
    "Thing",
    "1thing",
    "-thing",
    "th_ing",
    "th/ing",
    "th ing",
    "thing\n",
    "thïng",
    "x".repeat(65),
  ])(
    "when the actor type is called %j",
    (name) => {
      expect(() => define({}, name)).toThrow(TypeError);
      expect(() => define({}, name)).toThrow("Cannot define actor type");
    },
  );

  const badNames = ["", "1st", "_x", "a.b", "a/b", "a b", "é", "x".repeat(65)];

  test.each(badNames)("when an event is called %j", (name) => {
    const parts = { events: { [name]: Amount }, evolve: { [name]: () => ({ n: 1 }) } };
    expect(() => define(parts)).toThrow("Cannot define event of thing: name must match");
  });

  // `then` would make a ref look like a promise to `await`, which would call the command.
  test.each([...badNames, "then"])("when a command is called %j", (name) => {
    expect(() => define({ commands: { [name]: nothing } })).toThrow(
      "Cannot define command of thing: name must",
    );
  });

  test("when an event has no evolve", () => {
    expect(() => define({ events: { Added: Amount } })).toThrow(
      new TypeError("Cannot define actor thing: no evolve for event Added"),
    );
  });

  test("when an evolve is for an event that there is not", () => {
    expect(() => define({ evolve: { Added: () => ({ n: 1 }) } })).toThrow(
      new TypeError("Cannot define actor thing: evolve for unknown event Added"),
    );
  });

  const notJson: [string, z.ZodType][] = [
    ["a date", z.date()],
    ["a coerced date", z.coerce.date()],
    ["a big integer", z.bigint()],
    ["a map", z.map(z.string(), z.string())],
    ["a set", z.set(z.string())],
    ["undefined", z.undefined()],
    ["NaN", z.nan()],
    ["a symbol", z.symbol()],
    ["a class instance", z.instanceof(URL)],
  ];

  // Would catch a payload that changes on its way through the log: a Date goes in, a string comes out.
  test.each(notJson)("when an event or a command holds %s", (_, schema) => {
    const object = z.object({ at: z.array(schema) });
    expect(() => define({ events: { Added: object }, evolve: { Added: () => ({ n: 1 }) } })).toThrow(
      "Cannot define event Added of thing: its schema must describe JSON",
    );
    expect(() => define({ commands: { add: command(object, () => {}) } })).toThrow(
      "Cannot define command add of thing: its schema must describe JSON",
    );
  });

  test("when an event's schema makes something else of its input than JSON", () => {
    const Added = z.string().transform((text) => new Date(text));
    expect(() => define({ events: { Added }, evolve: { Added: () => ({ n: 1 }) } })).toThrow("describe JSON");
    expect(() => define({ commands: { add: command(Added, () => {}) } })).not.toThrow();
  });

  // Would catch a state that a snapshot gives back as something else than what `evolve` made.
  test.each([
    ["a date", () => ({ at: new Date(0) })],
    ["a map", () => ({ seen: new Map() })],
    ["a set in an array", () => [new Set([1])]],
    ["a big integer", () => ({ n: 1n })],
    ["NaN", () => ({ n: NaN })],
    ["Infinity", () => Infinity],
    ["a function", () => ({ run: () => 1 })],
    ["a class instance", () => new URL("http://localhost")],
    ["a hole in an array", () => [undefined, 1]],
    ["undefined", () => undefined],
  ])("when the initial state is or holds %s", (_, initialState) => {
    expect(() => define({ initialState })).toThrow(
      new TypeError("Cannot define actor thing: its initial state is not JSON"),
    );
  });
});

test.each([
  ["null", null],
  ["a number", 0],
  ["a list", []],
  ["nested JSON", { a: [{ b: null, c: "é", d: -1.5, e: true }] }],
  ["an absent property", { owner: undefined }],
  ["an object without prototype", Object.create(null)],
])("a state may be %s", (_, state) => {
  expect(define({ initialState: () => state }).initialState()).toEqual(state);
});

test("what an actor does not say has defaults", () => {
  expect(define()).toMatchObject({
    kind: "actor",
    name: "thing",
    snapshotEvery: 100,
    mailboxDepthMax: undefined,
    rejections: undefined,
  });
  expect(define().retry).toEqual(defaultRetryPolicy);
  const told = define({ retry: { attemptsMax: 2 }, snapshot: { every: 5 }, mailboxDepthMax: 3 });
  expect(told).toMatchObject({ snapshotEvery: 5, mailboxDepthMax: 3 });
  expect(told.retry).toEqual({ ...defaultRetryPolicy, attemptsMax: 2 });
});

describe("a ref", () => {
  const till = actor("till", {
    initialState: () => ({ n: 0 }),
    events: {},
    evolve: {},
    commands: {
      pay: command(Amount, (_, input) => input.amount),
      close: command(z.object({}), () => {}),
      key: command(z.object({}), () => {}),
      toString: command(z.object({}), () => "shadowed"),
    },
  });

  test("makes a request of a command, its key and its input", () => {
    expect(till.ref("a/b").pay({ amount: 5 })).toEqual({
      type: "till",
      key: "a/b",
      command: "pay",
      input: { amount: 5 },
    });
  });

  test("takes no input for an empty one", () => {
    expect(till.ref("1").close()).toEqual({ type: "till", key: "1", command: "close", input: {} });
  });

  // Would catch refs of one actor type sharing a key.
  test("keeps to its own key", () => {
    const one = till.ref("1");
    const two = till.ref("2");
    expect([one.close().key, two.close().key, one.close().key]).toEqual(["1", "2", "1"]);
  });

  test("can be awaited without being taken for a promise", async () => {
    const ref = till.ref("1");
    expect(await Promise.resolve(ref)).toBe(ref);
  });

  test("has a method even for a command called like a property of the ref or of every object", () => {
    expect(till.ref("1").key()).toMatchObject({ key: "1", command: "key" });
    expect(till.ref("1").toString()).toMatchObject({ key: "1", command: "toString" });
  });
});

describe("the fingerprint", () => {
  const base = {
    events: { Added: Amount, Taken: Amount },
    evolve: {
      Added: (state: { n: number }, event: { amount: number }) => ({ n: state.n + event.amount }),
      Taken: (state: { n: number }, event: { amount: number }) => ({ n: state.n - event.amount }),
    },
  };
  const ofBase = define(base).fingerprint;

  test("is the same for the same code, and whatever commands do", () => {
    expect(define(base).fingerprint).toBe(ofBase);
    expect(define({ ...base, commands: { go: nothing }, retry: { attemptsMax: 1 } }).fingerprint).toBe(
      ofBase,
    );
  });

  // Would catch a snapshot made by old code being used by new code, whose states it is not one of.
  test.each([
    ["an evolve", { ...base, evolve: { ...base.evolve, Added: () => ({ n: 1 }) } }],
    ["the initial state", { ...base, initialState: () => ({ n: 1 }) }],
    ["the snapshot version", { ...base, snapshot: { version: 2 } }],
    ["an upcast", {
      ...base,
      events: { ...base.events, Added: event(Amount, { from: { 1: () => ({ amount: 1 }) } }) },
    }],
    ["which event an evolve is for", {
      ...base,
      evolve: { Taken: base.evolve.Added, Added: base.evolve.Taken },
    }],
  ])("changes with %s", (_, parts) => {
    expect(define(parts).fingerprint).not.toBe(ofBase);
  });

  test("changes with every character of the code, those beyond 16 bits included", () => {
    const smile = define({ initialState: () => ({ face: "😀" }) });
    const grin = define({ initialState: () => ({ face: "😁" }) });
    expect(smile.fingerprint).not.toBe(grin.fingerprint);
  });
});
