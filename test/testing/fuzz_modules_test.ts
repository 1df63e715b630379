import { activity, actor, command, projection, reactor, saga } from "folio";
import {
  checkModules,
  fc,
  fuzzModules,
  FuzzModulesError,
  type FuzzModulesOptions,
  type Simulation,
} from "folio/testing";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { AnyModule } from "../../src/runtime/registry.ts";

const Amount = z.object({ amount: z.int().min(1).max(1_000) });

/** Where money is kept; what it may do is each test's. */
const purse = actor("purse", {
  initialState: () => ({ balance: 0 }),
  events: { Paid: Amount, Taken: Amount, Set: z.object({ balance: z.int() }) },
  rejections: { "too-little": z.object({ balance: z.int() }) },
  evolve: {
    Paid: ({ balance }, { amount }) => ({ balance: balance + amount }),
    Taken: ({ balance }, { amount }) => ({ balance: balance - amount }),
    Set: (_, { balance }) => ({ balance }),
  },
  commands: {
    pay: command(Amount, (turn, input) => turn.emit("Paid", input)),
    take: command(Amount, (turn, input) => {
      const { balance } = turn.state;
      if (balance < input.amount) turn.reject("too-little", { balance });
      turn.emit("Taken", input);
    }),
    look: command(z.object({}), (turn) => turn.state.balance),
    set: command(z.object({ balance: z.int() }), (turn, input) => turn.emit("Set", input)),
  },
});

const Move = Amount.extend({ from: z.enum(["a", "b"]), to: z.enum(["a", "b"]) });

const balancesOf = async (sim: Simulation) => {
  const states = [await sim.state(purse, "a"), await sim.state(purse, "b")];
  return states.reduce((sum, { state }) => sum + Number(Object(state).balance), 0);
};
/** Each purse has so much at first, and together they have as much in the end. */
const constantSum = {
  given: async (sim: Simulation) => {
    for (const key of ["a", "b"]) await sim.ask(purse.ref(key).pay({ amount: 100 }));
  },
  check: async (sim: Simulation) => {
    const sum = await balancesOf(sim);
    if (sum !== 200) throw new Error(`there are ${sum}`);
  },
};

async function found<M extends AnyModule>(
  modules: readonly M[],
  options: FuzzModulesOptions<M> = {},
): Promise<FuzzModulesError> {
  try {
    await fuzzModules(modules, options);
  } catch (error) {
    if (error instanceof FuzzModulesError) return error;
    throw error;
  }
  throw new Error("Nothing was found");
}

describe("a planted bug is found and shrunk:", () => {
  test("an activity whose effect comes twice when it is tried again: faults only show it", async () => {
    const paidOut = new Map<string, number>();
    const payOut = activity("pay-out", {
      input: Amount,
      output: z.object({}),
      run: ({ amount }, { idempotencyKey }) => {
        // As a bank that does not look at the key.
        paidOut.set(idempotencyKey, (paidOut.get(idempotencyKey) ?? 0) + amount);
        return Promise.resolve({});
      },
    });
    const till = actor("till", {
      initialState: () => ({ out: 0 }),
      events: { Asked: Amount },
      evolve: { Asked: ({ out }, { amount }) => ({ out: out + amount }) },
      commands: {
        pay: command(Amount, (turn, input) => {
          turn.emit("Asked", input);
          turn.perform(payOut, input);
        }),
      },
    });
    const options = {
      given: () => paidOut.clear(),
      check: async (sim: Simulation) => {
        const tills = [await sim.state(till, "a"), await sim.state(till, "b")];
        const asked = tills.reduce((sum, { state }) => sum + Number(Object(state).out), 0);
        const paid = [...paidOut.values()].reduce((sum, amount) => sum + amount, 0);
        if (paid !== asked) throw new Error(`${asked} were asked for, and ${paid} were paid`);
      },
    };
    const { calls, world, findings } = await found([till, payOut], {
      ...options,
      faults: { activity: 0.8, crash: 0.02 },
    });
    expect(calls).toEqual([[{
      type: "till",
      key: expect.any(String),
      command: "pay",
      input: { amount: 1 },
    }]]);
    expect(findings).toEqual([
      expect.stringMatching(/^check: Error: 1 were asked for, and [2-9] were paid$/),
    ]);
    await expect(checkModules([till, payOut], calls, { ...options, ...world })).rejects.toMatchObject({
      name: "ModulesError",
      findings,
    });
    await checkModules([till, payOut], calls, { ...options, seed: world.seed });
  });

  test("a saga that does not give back what it has taken", async () => {
    const move = saga("move", {
      input: Move,
      run: async (step, { from, to, amount }) => {
        await step.ask("take", purse.ref(from).take({ amount }));
        await step.ask("give", purse.ref(to).pay({ amount }));
      },
    });
    const { calls, world, message } = await found([purse, move], { ...constantSum, only: ["move"] });
    expect(calls.map(([{ command }]) => command)).toEqual(["start", "cancel"]);
    expect(world.faults).toEqual({});
    expect(message).toMatch(/^check: Error: there are 199\n/);
  });

  test("a saga that writes what it has read, though another one has written since", async () => {
    const move = saga("move", {
      input: Move,
      run: async (step, { from, to, amount }) => {
        if (from === to) return;
        const before = await step.ask("look", purse.ref(from).look({}));
        if (before < amount) return;
        await step.ask("set", purse.ref(from).set({ balance: before - amount }));
        await step.ask("give", purse.ref(to).pay({ amount }));
      },
    });
    // It needs no faults: they are under way at the same time.
    const { calls } = await found([purse, move], { ...constantSum, only: ["move/start"], faults: {} });
    expect(calls).toHaveLength(2);
    for (const [{ type, command, input }] of calls) {
      expect({ type, command, input }).toMatchObject({
        type: "move",
        command: "start",
        input: { input: { amount: 1 } },
      });
    }
  });
});

describe("what else no module may do is found:", () => {
  const nothing = z.object({});
  const bell = actor("bell", {
    initialState: () => ({ rung: 0 }),
    events: { Rang: nothing },
    invariants: { "it is not worn out": ({ rung }) => rung < 3 },
    evolve: { Rang: ({ rung }) => ({ rung: rung + 1 }) },
    commands: {
      ring: command(nothing, (turn) => turn.emit("Rang", {})),
      break: command(nothing, () => {
        throw new RangeError("it is broken");
      }, { isInternal: true }),
      refuse: command(nothing, (turn) => turn.reject("never"), { isInternal: true }),
    },
  });
  const calm = { faults: {}, runs: 5, keys: ["a"] };

  test("an invariant that is broken", async () => {
    const { calls, findings, message } = await found([bell], calm);
    expect(calls).toHaveLength(3);
    const broken = `InvariantError: bell/a would break its invariant "it is not worn out"`;
    expect(findings).toEqual([`bell/a fails at ring: ${broken}`]);
    expect(message.replace(/run \d+ of/, "run N of").replace(/seed: \d+/, "seed: N")).toMatch(
      `bell/a fails at ring: ${broken}

Found by run N of 5 with seed 1, and shrunk to this test:

await checkModules(modules, [
  [bell.ref("a").ring()],
  [bell.ref("a").ring()],
  [bell.ref("a").ring()],
], { seed: N });

What happened, in seconds since the beginning:
  0.000 process 1 starts
  0.000 process 1 serves
`,
    );
    expect(message).toMatch(/^ {2}\d+\.\d{3} call-3: bell\/a ring \{\}$/m);
    expect(message).toMatch(/^ {2}\d+\.\d{3} call-3 ends with invariant-broken$/m);
  });

  test("a handler that throws where nobody waits for it", async () => {
    const push = saga("push-it", {
      input: nothing,
      run: async (step) => void await step.ask("break", bell.ref("a").break({})),
    });
    const { findings, message } = await found([bell, push], { ...calm, only: ["push-it/start"] });
    expect(findings).toEqual(["bell/a fails at break: RangeError: it is broken"]);
    expect(message).toMatch(/^ {2}\[pushIt\.ref\("\d"\)\.start\(\)\],$/m);
  });

  test("a projection and a reactor that throw", async () => {
    const broken = () => {
      throw new RangeError("it is broken");
    };
    const peals = projection("peals", {
      version: 1,
      from: [bell],
      tables: ["CREATE TABLE peals (bell TEXT PRIMARY KEY)"],
      on: { "bell/Rang": broken },
      queries: {},
    });
    const hearer = reactor("hearer", { from: [bell], on: { "bell/Rang": broken } });
    const { calls, findings } = await found([bell, peals, hearer], calm);
    expect(calls).toHaveLength(1);
    expect(findings.toSorted()).toEqual([
      "projection peals fails at Rang of bell/a: RangeError: it is broken",
      "reactor hearer fails at Rang of bell/a: RangeError: it is broken",
    ]);
  });

  test("a saga that is stuck, and one whose code does not do again what it has done", async () => {
    const stuck = saga("stuck", {
      input: nothing,
      run: async (step) => {
        await step.ask("ring", bell.ref("a").ring({}), { undo: () => bell.ref("a").refuse({}) });
        throw new Error("it was not meant to");
      },
    });
    const { findings } = await found([bell, stuck], { ...calm, only: ["stuck/start"] });
    expect(findings[0]).toMatch(/^saga stuck\/\d is stuck: ring cannot be undone at bell\/a: .*never$/);

    let runs = 0;
    const fickle = saga("fickle", {
      input: nothing,
      run: async (step) => {
        // The crash at the end of each run is in the middle of it.
        await step.sleep(`nap-${runs++}`, "10m");
      },
    });
    const { findings: others } = await found([fickle], { ...calm, only: ["fickle/start"] });
    expect(others[0]).toMatch(/^saga fickle\/\d is stopped: /);
  });

  // Would catch sagas that look as if they had been turned away, each of them, and what they did is undone.
  test.each(
    [
      ["awaits something that is no step", () => new Promise(() => {}), /fails: run awaits something/],
      [
        "gives what its output is not",
        () => Promise.resolve({ n: 0.5 }),
        /fails: TypeError: Output does not/,
      ],
      ["makes a mistake", () => Promise.resolve(Object(undefined).n.m), /fails: TypeError: Cannot read/],
    ] as const,
  )("a saga whose code %s", async (_, run, said) => {
    const faulty = saga("faulty", {
      input: nothing,
      output: z.object({ n: z.int() }),
      run: () => Object(run()),
    });
    const { findings } = await found([faulty], { ...calm, only: ["faulty/start"] });
    expect(findings[0]).toMatch(said);
  });

  test("but no saga that says no", async () => {
    const choosy = saga("choosy", { input: nothing, run: () => Promise.reject(new Error("not accepted")) });
    const { events } = await fuzzModules([choosy], { ...calm, runs: 2, only: ["choosy/start"] });
    expect(events["choosy/Failed"]).toBeGreaterThan(0);
  });

  // Would catch a fuzzer that blames modules for the faults that it has planned itself.
  test("but no saga that could not be undone because of planned faults", async () => {
    let isUndone = false;
    const undo = activity("undo", {
      input: nothing,
      output: nothing,
      retry: { attemptsMax: 1 },
      run: () => {
        isUndone = true;
        return Promise.resolve({});
      },
    });
    const careful = saga("careful", {
      input: nothing,
      run: async (step) => {
        await step.perform("do", undo, {}, { undo: () => [undo, {}] });
        throw new Error("it was not meant to");
      },
    });
    const { faults, events } = await fuzzModules([careful, undo], {
      runs: 10,
      faults: { activity: 1 },
      only: ["careful/start"],
    });
    expect(isUndone).toBe(true);
    expect(faults.fails).toBeGreaterThan(5);
    expect(events["careful/Stuck"]).toBeGreaterThan(0);
  });
});

describe("what is tried can be chosen:", () => {
  const parcel = actor("parcel", {
    initialState: () => ({ sent: 0 }),
    events: { Sent: z.object({ n: z.int() }), Lost: z.object({}) },
    evolve: { Sent: ({ sent }) => ({ sent: sent + 1 }), Lost: (state) => state },
    commands: {
      send: command(z.object({ n: z.int() }), (turn, input) => turn.emit("Sent", input)),
      "look-for": command(z.object({}), (turn) => turn.state.sent),
      lose: command(z.object({}), (turn) => turn.emit("Lost", {}), { isInternal: true }),
    },
  });
  const some = { runs: 8, seed: 3, commandsMax: 8, faults: { lost: 0.2, crash: 0.3, diskMsMax: 20 } };

  test("commands of clients are sent, internal ones are not, and all come to something", async () => {
    const { turns, done, events, faults } = await fuzzModules([parcel], some);
    expect(Object.keys(done).sort()).toEqual(["parcel/look-for", "parcel/send"]);
    expect(turns).toBe((done["parcel/send"] ?? 0) + (done["parcel/look-for"] ?? 0));
    expect(events).toEqual({ "parcel/Sent": done["parcel/send"] });
    expect(faults.lost).toBeGreaterThan(0);
    expect(Object.keys(faults).some((kind) => kind.startsWith("crash"))).toBe(true);
  });

  test("the same seed gives the same, another one something else", async () => {
    const report = await fuzzModules([parcel], some);
    expect(await fuzzModules([parcel], some)).toEqual(report);
    expect(await fuzzModules([parcel], { ...some, seed: 4 })).not.toEqual(report);
  });

  test("which commands, with which inputs, to whom", async () => {
    const seen = new Set<string>();
    const report = await fuzzModules([parcel], {
      ...some,
      only: ["parcel/send"],
      inputs: { "parcel/send": fc.constant({ n: 7 }) },
      keys: ["x"],
      check: async (sim) => {
        for (const { actor, payload } of await sim.events()) seen.add(`${actor} ${JSON.stringify(payload)}`);
      },
    });
    expect(Object.keys(report.done)).toEqual(["parcel/send"]);
    expect([...seen]).toEqual(['parcel/x {"n":7}']);
  });

  test("and what there is not is an error, at once", () => {
    // @ts-expect-error -- no such command
    expect(() => fuzzModules([parcel], { only: ["parcel/steal"] })).toThrow(
      "Cannot fuzz: there is no parcel/steal that clients may send",
    );
    expect(() => fuzzModules([parcel], { only: ["parcel/lose"] })).toThrow(/no parcel\/lose that clients/);
    expect(() => fuzzModules([parcel], { only: [] })).toThrow("Cannot fuzz: there is nothing");
    // @ts-expect-error -- no such input
    void ({ inputs: { "parcel/send": fc.constant({ n: "7" }) } } satisfies FuzzModulesOptions<typeof parcel>);
  });
});

test("modules that keep their promises pass under faults, commands one behind the other", async () => {
  await checkModules([purse], [
    [purse.ref("a").pay({ amount: 5 })],
    [purse.ref("a").take({ amount: 6 }), { after: 1_000 }],
    [purse.ref("a").take({ amount: 5 })],
  ], {
    faults: { crash: 0.1, unanswered: 0.1, diskMsMax: 20 },
    check: async (sim) => expect((await sim.state(purse, "a")).version).toBe(2),
  });
});
