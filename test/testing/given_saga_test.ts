import { activity, actor, command, saga, StepError } from "folio";
import { given } from "folio/testing";
import { describe, expect, test } from "vitest";
import { z } from "zod";

const Place = z.object({ by: z.string() });
const table = actor("table", {
  initialState: () => ({ by: "" }),
  events: { Taken: Place, Freed: z.object({}) },
  rejections: { taken: z.object({ by: z.string() }) },
  evolve: { Taken: (_, { by }) => ({ by }), Freed: () => ({ by: "" }) },
  commands: {
    take: command(Place, (turn, { by }) => {
      if (turn.state.by) turn.reject("taken", { by: turn.state.by });
      turn.emit("Taken", { by });
      return { seats: 4 };
    }),
    free: command(z.object({}), (turn) => turn.emit("Freed", {})),
  },
});
const cook = activity("cook", {
  input: z.object({ dish: z.string() }),
  output: z.object({ minutes: z.int() }),
  run: () => Promise.resolve({ minutes: 1 }),
});
const washUp = saga("wash-up", {
  input: z.object({ dishes: z.int() }),
  run: async (step) => {
    await step.sleep("1h");
    return { isClean: true };
  },
});

const dinner = saga("dinner", {
  input: z.object({ guest: z.string() }),
  run: async (step, { guest }) => {
    const one = table.ref("1");
    const [{ seats }] = await step.all([
      step.ask("take", one.take({ by: guest }), { undo: () => one.free() }),
      step.ask("second", table.ref("2").take({ by: guest }), { undo: () => table.ref("2").free() }),
    ]);
    const order = await step.waitFor("order", z.object({ dish: z.string() }), { within: "30m" });
    if (!order) throw new StepError("order", "nobody-ordered", "nobody came");
    await step.sleep("a while", "5m");
    const { minutes } = await step.perform("cook", cook, { dish: order.dish });
    const { isClean } = await step.child(washUp, { dishes: seats });
    return { minutes, isClean };
  },
});

const first = table.ref("1").take({ by: "Ann" });
const second = table.ref("2").take({ by: "Ann" });
const seated = () =>
  given(dinner, { guest: "Ann" }, { modules: [dinner, table, washUp] })
    .asks("second", second, { replies: { seats: 2 } })
    .asks("take", first, { replies: { seats: 4 } });

test("every kind of step is answered, at once or after its time, in the order of the test", async () => {
  const view = await seated()
    .waitsFor("order", { within: "30m" }, { gets: { dish: "soup" }, after: "29m" })
    .sleeps("5m", "a while")
    .performs("cook", cook, { dish: "soup" }, { gives: { minutes: 7 } })
    .starts(washUp, { dishes: 4 }, { completes: { isClean: true } })
    .completes({ minutes: 7, isClean: true });
  expect(view.steps.map(({ name }) => name)).toEqual([
    "take",
    "second",
    "order",
    "a while",
    "cook",
    "wash-up",
  ]);
});

test("compensations come one after the other, the newest first", async () => {
  const failing = () => seated().waitsFor("order", { within: "30m" }, "nothing");
  await failing().undoes("take", table.ref("1").free()).undoes("second", table.ref("2").free())
    .fails("nobody-ordered");
  await expect(failing().undoes("second", table.ref("2").free()).fails("nobody-ordered")).rejects.toThrow(
    'The saga does not undo "second" now. The saga is compensating: nobody-ordered, nobody came; ' +
      'it undoes "take" of table/1: free {}',
  );
  await expect(failing().undoes("take", table.ref("9").free()).fails("nobody-ordered")).rejects.toThrow(
    /table|9/,
  );
});

describe("a test fails when the saga does something else:", () => {
  test("another step, other input, or nothing", async () => {
    const started = () => given(dinner, { guest: "Ann" });
    await expect(started().performs("cook", cook, { dish: "soup" }).ends("running")).rejects.toThrow(
      'No perform "cook" waits to be answered. The saga is running; ' +
        'it waits for ask "take" of table/1: take { by: "Ann" }, ask "second" of table/2: take { by: "Ann" }',
    );
    await expect(started().asks("take", second).ends("running")).rejects.toThrow(/strictly deep-equal/);
    await expect(started().ends("completed")).rejects.toThrow(
      /The saga should be completed. The saga is running/,
    );
  });

  test("another time", async () => {
    const waiting = (within: "29m" | "30m") => seated().waitsFor("order", { within }).ends("running");
    await waiting("30m");
    await expect(waiting("29m")).rejects.toThrow(/strictly deep-equal/);
    const late = seated().waitsFor("order", { within: "30m" }, { gets: { dish: "soup" }, after: "30m" });
    await expect(late.sleeps("5m", "a while").ends("running")).rejects.toThrow(
      /dinner rejects signal: ended/,
    );
  });

  test("another end, output or error", async () => {
    const ended = () => given(washUp, { dishes: 1 }).sleeps("1h");
    await ended().completes({ isClean: true });
    await expect(ended().completes({ isClean: false })).rejects.toThrow(/strictly deep-equal/);
    await expect(ended().fails("dead-letter")).rejects.toThrow(/should be failed. The saga is completed/);
    const rejected = () =>
      given(dinner, { guest: "Ann" })
        .asks("take", first, { rejects: "taken", details: { by: "Bob" } })
        .asks("second", second, { rejects: "taken" });
    await rejected().fails("taken", { by: "Bob" });
    await expect(rejected().fails("taken", { by: "Eve" })).rejects.toThrow(/strictly deep-equal/);
  });

  test("an answer that the activity could not give", async () => {
    const cooking = seated().waitsFor("order", { within: "30m" }, { gets: { dish: "soup" } }).sleeps(
      "5m",
      "a while",
    );
    await expect(
      cooking.performs("cook", cook, { dish: "soup" }, { gives: { minutes: 0.5 } }).ends("running"),
    )
      .rejects.toThrow(/int/);
  });
});

// Would catch a saga that works as long as it stays in memory, and is stopped by the first restart.
describe("a run that does not do the same again is found out:", () => {
  test("other steps", async () => {
    let runs = 0;
    const moody = saga("moody", {
      input: z.object({}),
      run: async (step) => {
        await step.sleep("1h");
        if (++runs % 2 === 0) await step.sleep("another", "1h");
        await step.sleep("2h");
      },
    });
    await expect(given(moody, {}).sleeps("1h").ends("running")).rejects.toThrow(
      /same turn run twice|cannot go on/,
    );
  });

  test("other input", async () => {
    let runs = 0;
    const counting = saga("counting", {
      input: z.object({}),
      run: async (step) => await step.perform("cook", cook, { dish: `dish ${++runs}` }),
    });
    await expect(given(counting, {}).ends("running")).rejects.toThrow(/same turn run twice/);
  });

  test("something awaited that is no step", async () => {
    const impatient = saga("impatient", {
      input: z.object({}),
      run: async () => await new Promise<void>(() => {}),
    });
    await given(impatient, {}).fails("not-a-step");
  });
});

test("ids, chance and time are the test's", async () => {
  const lottery = saga("lottery", {
    input: z.object({}),
    run: async (step) => {
      await step.sleep("1h");
      return { id: step.id(), chance: step.random(), at: step.now() };
    },
  });
  await given(lottery, {}, { now: 1_000, random: 0.25, id: "x" }).sleeps("1h")
    .completes({ id: "id-1", chance: 0.25, at: 3_601_000 });
});

test("a child that does not complete, and one that is cancelled", async () => {
  const parent = saga("parent", {
    input: z.object({}),
    run: async (step) => await step.child(washUp, { dishes: 3 }, { name: "dishes" }),
  });
  await given(parent, {}).starts(washUp, { dishes: 3 }, { ends: "failed", message: "broken" }, "dishes")
    .fails("failed");
  await expect(given(parent, {}).starts(washUp, { dishes: 4 }, undefined, "dishes").ends("running"))
    .rejects.toThrow(/strictly deep-equal/);
});

test("a test that is awaited before it is complete says so", async () => {
  const awaited: Promise<unknown> = Promise.resolve().then(() =>
    given(washUp, { dishes: 1 }).sleeps("1h") as unknown
  );
  await expect(awaited).rejects.toThrow(/before it was complete/);
});

test("what is asked and answered is typed", async () => {
  // @ts-expect-error -- no such input
  await given(washUp, { plates: 1 }).ends("running").catch(() => {});
  const started = () => given(dinner, { guest: "Ann" });
  // @ts-expect-error -- no such reply
  await started().asks("take", first, { replies: { chairs: 4 } }).ends("running").catch(() => {});
  // @ts-expect-error -- no such rejection
  await started().asks("take", first, { rejects: "gone" }).ends("running").catch(() => {});
  // @ts-expect-error -- no such output
  await given(washUp, { dishes: 1 }).completes({ isDry: true }).catch(() => {});
});
