import { actor, command, FolioError } from "folio";
import { given, simulate } from "folio/testing";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { Invariants } from "../../src/core/invariant.ts";
import { expectProblem, serve } from "../http/support.ts";
import { World } from "../support/world.ts";

const By = z.object({ by: z.int() });

interface Level {
  readonly level: number;
}

/** A level that goes up and down; nothing but its invariants keeps it anywhere. */
function tankWith(invariants: Invariants<Level>) {
  return actor("tank", {
    initialState: (): Level => ({ level: 0 }),
    events: { Changed: By },
    evolve: { Changed: (state, { by }) => ({ level: state.level + by }) },
    retry: { attemptsMax: 2, delayMs: 1_000, jitter: 0 },
    invariants,
    commands: {
      change: command(By, (turn, { by }) => {
        turn.emit("Changed", { by });
        return { level: turn.state.level };
      }),
      /** Below zero in between, and not at its end. */
      dip: command(z.object({}), (turn) => {
        turn.emit("Changed", { by: -1 });
        turn.emit("Changed", { by: 1 });
      }),
      look: command(z.object({}), (turn) => turn.state.level),
    },
  });
}

const dry = "not below dry";
const tank = tankWith({ [dry]: ({ level }) => level >= 0 || `it is at ${level}` });

describe("a turn that breaks an invariant fails", () => {
  test("by a false, by a text that says why, and by what it throws", () => {
    const broken = (invariants: Invariants<Level>, failed: RegExp) =>
      given(tankWith(invariants), []).when("change", { by: -1 }).then({ failed });
    broken({ [dry]: ({ level }) => level >= 0 }, /tank\/key would break its invariant "not below dry"$/);
    broken({ [dry]: ({ level }) => level >= 0 || `it is at ${level}` }, /"not below dry": it is at -1$/);
    broken({
      [dry]: () => {
        throw new RangeError("no level");
      },
    }, /"not below dry": RangeError: no level$/);
  });

  // Would catch a predicate without a `return`, or an async one, that checks nothing.
  test("also by what is neither true nor false", () => {
    const nothing = { [dry]: () => undefined } as unknown as Invariants<Level>;
    given(tankWith(nothing), []).when("change", { by: 1 }).then({ failed: /it gave undefined$/ });
    const promise = { [dry]: () => Promise.resolve(true) } as unknown as Invariants<Level>;
    given(tankWith(promise), []).when("change", { by: 1 }).then({ failed: /it gave \[object Promise\]$/ });
  });

  test("with the first of several, in their order", () => {
    const both = tankWith({ [dry]: ({ level }) => level >= 0, "even": ({ level }) => level % 2 === 0 });
    given(both, []).when("change", { by: -1 }).then({ failed: /not below dry/ });
    given(both, []).when("change", { by: 1 }).then({ failed: /even/ });
    given(both, []).when("change", { by: 2 }).then([["Changed", { by: 2 }]]);
  });

  test("and one of a list goes by its function's name, or by its source", () => {
    function isEven({ level }: Level) {
      return level % 2 === 0;
    }
    const listed = tankWith([isEven, ({ level }) => level < 10]);
    given(listed, []).when("change", { by: 1 }).then({ failed: /its invariant "isEven"$/ });
    given(listed, []).when("change", { by: 10 }).then({ failed: /its invariant ".*level < 10"$/ });
  });
});

test("an invariant is looked at once a turn, at its end, and only where it has emitted", () => {
  const seen: number[] = [];
  const watched = tankWith([({ level }) => {
    seen.push(level);
    return level >= 0;
  }]);
  given(watched, []).when("dip").then([["Changed", { by: -1 }], ["Changed", { by: 1 }]]);
  // Twice, since a test runs each turn twice.
  expect(seen.splice(0)).toEqual([0, 0]);
  given(watched, [["Changed", { by: -3 }]]).when("look").thenReply(-3);
  expect(seen).toEqual([]);
});

test("state that an older log has left below is told at the next turn that emits, and may be mended by it", () => {
  given(tank, [["Changed", { by: -3 }]]).when("change", { by: 1 }).then({ failed: /it is at -2/ });
  given(tank, [["Changed", { by: -3 }]]).when("change", { by: 3 }).then([["Changed", { by: 3 }]]);
});

describe("in the runtime", () => {
  test("a caller is told which invariant, not why, and nothing is recorded", async () => {
    const world = await World.start({ modules: [tank] });
    await world.runtime.ask(tank.ref("a").change({ by: 2 }));
    const error: unknown = await world.runtime.ask(tank.ref("a").change({ by: -3 })).catch((cause) => cause);
    expect(error).toMatchObject({
      code: "invariant-broken",
      message: 'tank/a would break its invariant "not below dry"',
      fields: { actor: "tank/a", invariant: dry },
    });
    expect(world.logged.join("\n")).toMatch(/error Handler failed.*not below dry\\*": it is at -1/);
    expect(await world.runtime.state("tank", "a")).toMatchObject({ state: { level: 2 }, version: 1 });
    expect((await world.events()).length).toBe(1);
    expect(await world.runtime.ask(tank.ref("a").change({ by: -2 }))).toMatchObject({ reply: { level: 0 } });
  });

  test("a message is tried again, and then is a dead letter that names it", async () => {
    const world = await World.start({ modules: [tank] });
    const { messageId } = await world.runtime.send(tank.ref("a").change({ by: -1 }));
    await world.clock.advance("1m");
    const record = await world.runtime.message(messageId);
    expect(record).toMatchObject({
      status: "dead",
      attempts: 2,
      failures: [{}, { error: expect.stringContaining('invariant "not below dry": it is at -1') }],
    });
    expect(await world.events()).toEqual([]);
  });

  test("over HTTP it is 500 with a code of its own", async () => {
    const server = await serve({ modules: [tank] });
    const answer = await server.post("/actors/tank/a/change", { by: -1 });
    expectProblem(answer, 500, "invariant-broken");
    expect(answer.body).toMatchObject({
      type: "/problems/invariant-broken",
      actor: "tank/a",
      invariant: dry,
    });
    expect(JSON.stringify(answer.body)).not.toContain("it is at");
    expectProblem(await server.get("/actors/tank/a"), 404, "no-events");
  });

  test("a simulation says which were broken, by messages too", async () => {
    const sim = await simulate([tank], { seed: 1 });
    const asked: unknown = await sim.ask(tank.ref("a").change({ by: -1 })).catch((error) => error);
    expect(FolioError.is(asked, "invariant-broken")).toBe(true);
    await sim.begin((runtime) => runtime.send(tank.ref("b").change({ by: -2 })));
    await sim.advance("1m");
    expect(sim.broken).toEqual([
      'InvariantError: tank/a would break its invariant "not below dry": it is at -1',
      'InvariantError: tank/b would break its invariant "not below dry": it is at -2',
    ]);
    await sim.stop();
  });
});

describe("a definition is refused", () => {
  test.each([
    [{ "": () => true }, /invariant "" must be a function with a name/],
    [{ "held": true }, /invariant "held" must be a function/],
    [[() => true, "held"], /invariant 2 must be a function/],
  ])("with the invariants %j", (invariants, message) => {
    expect(() => tankWith(invariants as unknown as Invariants<Level>)).toThrow(message);
  });
});

test("state is inferred, and what gives no answer is a compile error", () => {
  actor("inferred", {
    initialState: () => ({ n: 0 }),
    events: {},
    evolve: {},
    commands: {},
    invariants: [({ n }) => n.toFixed() === "0", (state) => {
      const n: number = state.n;
      // @ts-expect-error -- no such field
      state.m;
      return n === 0;
    }],
  });
  actor("inferred", {
    initialState: () => ({ n: 0 }),
    events: {},
    evolve: {},
    commands: {},
    // @ts-expect-error -- nothing is returned
    invariants: { "forgotten": ({ n }) => void (n >= 0) },
  });
});
