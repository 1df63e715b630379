import { actor, command } from "folio";
import {
  type CallOf,
  checkCommands,
  CommandError,
  fc,
  fuzz,
  FuzzError,
  type FuzzOptions,
} from "folio/testing";
import { describe, expect, expectTypeOf, test } from "vitest";
import { z } from "zod";
import type { AnyActor } from "../../src/core/actor.ts";

const Amount = z.object({ amount: z.int().positive().max(1_000_000) });

/** What a bug changes in a purse. */
interface Bug {
  readonly mayWithdraw?: (balance: number, amount: number) => boolean;
  readonly afterPayment?: (
    state: { balance: number; payments: number },
  ) => { balance: number; payments: number };
}

/** A purse that holds what was paid in, unless a bug is planted. */
function purseWith(
  { mayWithdraw = (balance, amount) => amount <= balance, afterPayment = (state) => state }: Bug,
) {
  return actor("little-purse", {
    initialState: () => ({ balance: 0, payments: 0 }),
    events: { Paid: Amount, Withdrawn: Amount },
    rejections: { "too-little": z.object({ balance: z.int() }) },
    invariants: { "not below zero": ({ balance }) => balance >= 0 },
    evolve: {
      Paid: (state, { amount }) =>
        afterPayment({ balance: state.balance + amount, payments: state.payments + 1 }),
      Withdrawn: (state, { amount }) => ({ ...state, balance: state.balance - amount }),
    },
    commands: {
      look: command(z.object({ why: z.string() }), (turn) => turn.state.balance),
      pay: command(Amount, (turn, input) => {
        turn.emit("Paid", input);
        return { balance: turn.state.balance };
      }),
      withdraw: command(Amount, (turn, { amount }) => {
        const { balance } = turn.state;
        if (!mayWithdraw(balance, amount)) turn.reject("too-little", { balance });
        turn.emit("Withdrawn", { amount });
      }),
    },
  });
}

/** What the fuzzer says of an actor that has a bug. */
function found<A extends AnyActor>(broken: A, options: FuzzOptions<A> = {}): FuzzError {
  try {
    fuzz(broken, options);
  } catch (error) {
    if (error instanceof FuzzError) return error;
    throw error;
  }
  throw new Error("Nothing was found");
}

describe("a planted bug is found and shrunk to the fewest commands and the simplest inputs", () => {
  test("a check that is not there", () => {
    const error = found(purseWith({ mayWithdraw: () => true }));
    expect(error.calls).toEqual([["withdraw", { amount: 1 }]]);
    expect(error.invariant).toBe("not below zero");
  });

  test("a bound that is off by one, reached with what was paid in", () => {
    const error = found(
      purseWith({ mayWithdraw: (balance, amount) => balance > 0 && amount <= balance + 1 }),
    );
    expect(error.calls).toEqual([["pay", { amount: 1 }], ["withdraw", { amount: 2 }]]);
  });

  test("a bug that takes three commands and a certain amount", () => {
    const lost = purseWith({
      afterPayment: (state) => state.payments === 3 && state.balance > 50 ? { ...state, balance: -1 } : state,
    });
    const { calls, invariant } = found(lost);
    expect(calls.map(([name]) => name)).toEqual(["pay", "pay", "pay"]);
    expect(calls.reduce((sum, [, input]) => sum + (input as { amount: number }).amount, 0)).toBe(51);
    expect(invariant).toBe("not below zero");
  });

  test("for each seed the same thing each time, and for all of them the same smallest one", () => {
    const broken = purseWith({ mayWithdraw: (balance, amount) => balance > 0 && amount <= balance + 1 });
    for (let seed = 1; seed <= 10; seed++) {
      const error = found(broken, { seed });
      expect(error.calls).toEqual([["pay", { amount: 1 }], ["withdraw", { amount: 2 }]]);
      expect(found(broken, { seed }).message).toBe(error.message);
      expect(error.seed).toBe(seed);
    }
  });
});

test("a failure is told with its seed, its reason, and a test that fails until the bug is gone", () => {
  const calls: CallOf<ReturnType<typeof purseWith>>[] = [["pay", { amount: 1 }], ["withdraw", { amount: 2 }]];
  const broken = purseWith({ mayWithdraw: (balance, amount) => balance > 0 && amount <= balance + 1 });
  const { message } = found(broken, { seed: 7, key: "mine" });
  expect(message.replace(/run \d+ of/, "run N of")).toBe(
    `little-purse fails at command 2: InvariantError: little-purse/mine would break its invariant "not below zero"

Found by run N of 100 with seed 7, and shrunk to this test:

checkCommands(littlePurse, [
  ["pay", { amount: 1 }],
  ["withdraw", { amount: 2 }],
], { key: "mine" });
`,
  );
  expect(() => checkCommands(broken, calls)).toThrow(CommandError);
  expect(() => checkCommands(broken, calls)).toThrow(/^Command 2 \(withdraw\) fails: InvariantError/);
  expect(checkCommands(purseWith({}), calls)).toEqual({ balance: 1, payments: 1 });
});

// Would catch lists of which each item is taken up or not by itself, so that hardly one is of what there is.
test("lists are made of what there is", () => {
  const names = z.array(z.string().min(3)).min(4).max(4);
  const box = actor("box", {
    initialState: () => ({ names: [] as string[] }),
    events: { Filled: z.object({ names }) },
    rejections: { strange: z.object({}) },
    evolve: { Filled: (_, event) => event },
    commands: {
      fill: command(z.object({}), (turn) => {
        turn.emit("Filled", { names: [turn.id(), turn.id(), turn.id(), turn.id()] });
      }),
      take: command(z.object({ names }), (turn, input) => {
        if (!input.names.every((name) => turn.state.names.includes(name))) turn.reject("strange");
      }),
    },
  });
  const { done, rejected } = fuzz(box, { runs: 20 });
  expect(done.take).toBeGreaterThan((rejected.strange ?? 0) / 10);
});

describe("what else no actor may do is found:", () => {
  const nothing = z.object({});
  interface Emitter {
    emit(event: string, payload: object): void;
  }
  const thing = (parts: object) =>
    actor("thing", {
      initialState: () => ({ n: 0 }),
      events: { Happened: z.object({ n: z.number() }) },
      evolve: { Happened: (_, { n }) => ({ n }) },
      commands: {},
      ...parts,
    });
  const reasonFor = (parts: object, options: FuzzOptions = {}) => found(thing(parts), options).message;

  test("a handler that throws", () => {
    const commands = {
      act: command(z.object({ on: z.enum(["a", "b"]) }), (_, { on }) => {
        if (on === "b") throw new RangeError("no b");
      }),
    };
    expect(reasonFor({ commands })).toContain("fails at command 1: RangeError: no b");
  });

  // Would catch a failure that does not come again, told as "undefined".
  test("a handler that fails once", () => {
    let turns = 0;
    const commands = {
      act: command(nothing, () => {
        if (++turns === 5) throw new RangeError("the fifth");
      }),
    };
    expect(reasonFor({ commands })).toContain("did not when it was run again: it is not pure");
  });

  test("a reply that does not fit its schema", () => {
    const commands = { act: command(z.object({ n: z.int() }), (_, { n }) => n, { reply: z.int().max(5) }) };
    expect(found(thing({ commands })).calls).toEqual([["act", { n: 6 }]]);
  });

  test("a rejection that is not declared", () => {
    const commands = {
      act: command(nothing, (turn) => (turn as { reject(code: string): never }).reject("no")),
    };
    expect(reasonFor({ rejections: { yes: nothing }, commands })).toContain("has no rejection no");
  });

  test("an evolve that knows more than the log", () => {
    let count = 0;
    const evolve = { Happened: () => ({ n: ++count }) };
    const commands = { act: command(nothing, (turn: Emitter) => turn.emit("Happened", { n: 1 })) };
    expect(reasonFor({ evolve, commands })).toMatch(/The same turn run twice|A replay of the events/);
  });

  test("an event that does not come back from the log as it was", () => {
    const events = { Happened: z.object({ at: z.string().overwrite((text) => `${text}!`) }) };
    const evolve = {
      Happened: (_: unknown, { at }: { at: string }) => ({ at, isNew: !("toJSON" in Object(at)) }),
    };
    const unclear = { Happened: (_: unknown, { at }: { at: string }) => ({ at, extra: undefined }) };
    const commands = { act: command(nothing, (turn: Emitter) => turn.emit("Happened", { at: "now" })) };
    expect(fuzz(thing({ events, evolve, commands })).done.act).toBeGreaterThan(100);
    expect(reasonFor({ events, evolve: unclear, commands })).toContain("changes when it is stored as JSON");
  });

  test("chance and time from elsewhere", () => {
    let calls = 0;
    const commands = { act: command(nothing, () => ++calls) };
    expect(reasonFor({ commands })).toContain("The same turn run twice gives two results");
  });

  test("something that depends on chance, with the chance it takes", () => {
    const commands = {
      act: command(nothing, (turn: { random(): number }) => {
        if (turn.random() < 0.4) throw new Error("unlucky");
      }),
    };
    const { calls: [call] } = found(thing({ commands }));
    expect(call).toEqual(["act", {}, { random: 0 }]);
  });
});

describe("inputs take up what there was before:", () => {
  const Token = z.object({ token: z.string() });
  const door = actor("door", {
    initialState: () => ({ token: "", opened: 0, dueAt: 0 }),
    events: { Locked: z.object({ token: z.string(), dueAt: z.int() }), Opened: z.object({}) },
    rejections: { "wrong-token": z.object({}), "too-early": z.object({}) },
    invariants: { "never opened": ({ opened }) => opened === 0 },
    evolve: {
      Locked: (state, event) => ({ ...state, ...event }),
      Opened: (state) => ({ ...state, opened: state.opened + 1 }),
    },
    commands: {
      lock: command(z.object({}), (turn) => {
        const token = `t-${turn.id()}`;
        const dueAt = turn.now + 5_000;
        turn.emit("Locked", { token, dueAt });
        turn.schedule("open", { at: dueAt }, {
          type: "door",
          key: turn.key,
          command: "open",
          input: { token },
        });
      }),
      open: command(Token, (turn, { token }) => {
        if (turn.state.token === "" || token !== turn.state.token) turn.reject("wrong-token");
        if (turn.now !== turn.state.dueAt) turn.reject("too-early");
        turn.emit("Opened", {});
      }),
    },
  });

  // Would catch a fuzzer that only ever sends what is made up, and so never comes past the first check.
  test("an id that a turn has made, at the very moment that its timer is due", () => {
    const { calls } = found(door, { runs: 300 });
    expect(calls).toEqual([["lock", {}], ["open", { token: "t-id-1" }, { after: 5_000 }]]);
    expect(() => checkCommands(door, calls as CallOf<typeof door>[])).toThrow(/never opened/);
  });
});

describe("what is tried can be chosen:", () => {
  const purse = purseWith({});

  test("how much, and from where on", () => {
    const report = fuzz(purse, {
      runs: 10,
      commandsMax: 3,
      given: [["Paid", { amount: 50 }]],
      only: ["withdraw"],
    });
    expect(report.turns).toBeLessThanOrEqual(30);
    expect(Object.keys(report.done)).toEqual(["withdraw"]);
    expect(report.events.Withdrawn).toBe(report.done.withdraw);
    expect(report.rejected["too-little"]).toBeGreaterThan(0);
    const { message } = found(purseWith({ mayWithdraw: () => true }), { given: [["Paid", { amount: 5 }]] });
    expect(message).toContain(`["withdraw", { amount: 6 }],\n], { given: [["Paid", { amount: 5 }]] });`);
  });

  test("inputs, which are sent as they are", () => {
    const amounts = new Set<number>();
    const watched = purseWith({
      mayWithdraw: (balance, amount) => {
        amounts.add(amount);
        return amount <= balance;
      },
    });
    fuzz(watched, { inputs: { withdraw: fc.constantFrom({ amount: 3 }, { amount: 4 }) } });
    expect([...amounts].sort()).toEqual([3, 4]);
  });

  test("also where a schema is one that nothing can be made for", () => {
    const code = z.object({ code: z.string().regex(/^(?=.*\d)[a-z\d]+$/) });
    const safe = actor("safe", {
      initialState: () => ({ tries: 0 }),
      events: { Tried: z.object({}) },
      evolve: { Tried: ({ tries }) => ({ tries: tries + 1 }) },
      commands: { try: command(code, (turn) => turn.emit("Tried", {})) },
    });
    expect(() => fuzz(safe)).toThrow(/^Cannot make inputs of safe\/try at \.code: /);
    expect(fuzz(safe, { inputs: { try: fc.constant({ code: "a1" }) } }).done.try).toBeGreaterThan(100);
  });

  test("and a command or an input that there is not is a compile error", () => {
    // @ts-expect-error -- no such command
    expect(() => fuzz(purse, { only: ["steal"] })).toThrow(
      "Cannot fuzz little-purse: it has no such commands",
    );
    // @ts-expect-error -- no such input
    expect(() => fuzz(purse, { inputs: { pay: fc.constant({ amount: "1" }) } })).toThrow(FuzzError);
    expectTypeOf<["pay", { amount: number }]>().toExtend<CallOf<typeof purse>>();
    expectTypeOf<["pay", { amount: string }]>().not.toExtend<CallOf<typeof purse>>();
    expectTypeOf<["pay"]>().not.toExtend<CallOf<typeof purse>>();
  });
});
