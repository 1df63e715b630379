import { saga, StepError } from "folio";
import { expect, test } from "vitest";
import { z } from "zod";
import { desk, doing, done, startWorld, told, undoable } from "./desk.ts";
import { journalOf, Payments, statusOf } from "./support.ts";

const Nothing = z.object({});
const Replied = z.object({ text: z.string() });

/** The follow-up of DESIGN, as far as it concerns waiting. */
const followUp = saga("follow-up", {
  input: Nothing,
  run: async (step) => {
    const first = await step.waitFor("replied", Replied, { within: "24h" });
    if (first) return first.text;
    await step.ask("remind", doing("remind"));
    const second = await step.waitFor("replied", Replied, { within: "24h" });
    return second?.text ?? "stale";
  },
});

test("a signal ends the wait for it", async () => {
  const world = await startWorld(followUp);
  const { sagas } = world.runtime;
  await sagas.start("follow-up", "1", {});
  await world.clock.advance("2h");
  expect(await sagas.signal("follow-up", "1", "replied", { text: "hello" })).toMatchObject({ ok: true });
  await world.clock.advance("1h");
  expect(await statusOf(world, "follow-up", "1")).toMatchObject({ status: "completed", output: "hello" });
  expect(await done(world)).toBe("");
});

test("without a signal, time passes: 48 hours with a restart in the middle", async () => {
  const world = await startWorld(followUp);
  await world.runtime.sagas.start("follow-up", "1", {});
  await world.clock.advance("24h");
  expect(await done(world)).toBe("remind");
  await world.restart();
  await world.clock.advance(86_399_999);
  expect((await statusOf(world, "follow-up", "1")).status).toBe("running");
  await world.clock.advance(1);
  const status = await statusOf(world, "follow-up", "1");
  expect(status).toMatchObject({ status: "completed", output: "stale" });
  expect(status.steps.map(({ name, isTimeout }) => [name, isTimeout])).toEqual([
    ["replied", true],
    ["remind", undefined],
    ["replied#2", true],
  ]);
});

test("signals that come early are kept, each for one who waits, also over a restart", async () => {
  const early = saga("early", {
    input: Nothing,
    run: async (step) => {
      await step.sleep("1h");
      const [one, two] = await step.all([
        step.waitFor("replied", Replied),
        step.waitFor("replied", Replied),
      ]);
      const three = await step.waitFor("replied", Replied, { within: "1h" });
      return [one.text, two.text, three?.text ?? "none"];
    },
  });
  const world = await startWorld(early);
  const { sagas } = world.runtime;
  expect(await sagas.signal("early", "1", "replied", { text: "?" })).toMatchObject({
    ok: false,
    rejection: { code: "not-started" },
  });
  await sagas.start("early", "1", {});
  await sagas.signal("early", "1", "replied", { text: "a" });
  await sagas.signal("early", "1", "replied", { text: "b" });
  expect((await statusOf(world, "early", "1")).signals).toHaveLength(2);
  await world.restart();
  await world.clock.advance("3h");
  expect(await statusOf(world, "early", "1")).toMatchObject({
    status: "completed",
    output: ["a", "b", "none"],
    signals: [],
  });
  expect(await world.runtime.sagas.signal("early", "1", "replied", { text: "c" })).toMatchObject({
    ok: false,
    rejection: { code: "ended", details: { status: "completed" } },
  });
});

test("a signal that does not fit is rejected, or fails the wait if nobody waited when it came", async () => {
  const declared = saga("declared", {
    input: Nothing,
    signals: { replied: Replied, other: z.unknown() },
    run: async (step) => {
      await step.waitFor("replied", Replied);
      return await step.waitFor("other", z.object({ n: z.int() })).then(() => "", told);
    },
  });
  const world = await startWorld(declared);
  const { sagas } = world.runtime;
  await sagas.start("declared", "1", {});
  const rejection = async (signal: string, payload: unknown) => {
    const answer = await sagas.signal("declared", "1", signal, payload);
    return answer.ok ? undefined : answer.rejection.code;
  };
  expect(await rejection("shouted", {})).toBe("unknown-signal");
  expect(await rejection("replied", { text: 1 })).toBe("invalid-signal");
  expect(await rejection("other", { n: 0.5 })).toBeUndefined();
  expect(await rejection("replied", { text: "ok" })).toBeUndefined();
  expect(await statusOf(world, "declared", "1")).toMatchObject({
    status: "completed",
    output: "other: invalid-signal",
  });
});

test("steps of one name are numbered, so that loops need no names", async () => {
  const loop = saga("loop", {
    input: z.object({ times: z.int() }),
    run: async (step, { times }) => {
      for (let i = 0; i < times; i++) {
        await step.ask("do", doing(`${i}`));
        await step.sleep("1m");
      }
    },
  });
  const world = await startWorld(loop);
  await world.runtime.sagas.start("loop", "1", { times: 3 });
  await world.clock.advance("90s");
  await world.restart();
  await world.clock.advance("90s");
  const { status, steps } = await statusOf(world, "loop", "1");
  expect(status).toBe("completed");
  expect(steps.map(({ name }) => name)).toEqual(["do", "sleep", "do#2", "sleep#2", "do#3", "sleep#3"]);
  expect(await done(world)).toBe("0 1 2");
});

test("steps go on at the same time, and their ends are told in the same order after a restart", async () => {
  const race = saga("race", {
    input: Nothing,
    run: async (step) => {
      const order: string[] = [];
      const branch = async (name: string, minutes: number) => {
        await step.sleep(name, `${minutes}m`);
        order.push(name);
        await step.ask(`${name}-${order.length}`, doing(`${name}-${order.length}`));
      };
      await step.all([branch("a", 3), branch("b", 1), branch("c", 2)]);
      await step.sleep("10m");
      return order;
    },
  });
  const world = await startWorld(race);
  await world.runtime.sagas.start("race", "1", {});
  for (let minute = 0; minute < 14; minute++) {
    await world.restart();
    await world.clock.advance("1m");
  }
  expect(await statusOf(world, "race", "1")).toMatchObject({ status: "completed", output: ["b", "c", "a"] });
  expect(await done(world)).toBe("b-1 c-2 a-3");
});

test("time, ids and chance are the same in every replay", async () => {
  const values = saga("values", {
    input: Nothing,
    run: async (step) => {
      const seen = [step.now(), step.id(), step.random(), step.id()];
      await step.sleep("1h");
      return [...seen, step.now()];
    },
  });
  const world = await startWorld(values);
  await world.runtime.sagas.start("values", "1", {});
  const startedAt = world.clock.now();
  await world.settle();
  const recorded = (await statusOf(world, "values", "1")).steps.slice(0, 4).map(({ output }) => output);
  await world.restart();
  await world.clock.advance("2h");
  const { output } = await statusOf(world, "values", "1");
  expect(output).toEqual([...recorded, startedAt + 3_600_000]);
  expect(recorded[1]).not.toBe(recorded[3]);
});

const child = saga("child", {
  input: z.object({ ends: z.enum(["well", "badly", "never"]) }),
  run: async (step, { ends }) => {
    await step.ask("child", doing("child"), undoable);
    if (ends === "never") await step.sleep("99d");
    if (ends === "badly") throw new Error("badly");
    return { fine: true };
  },
});
const parent = saga("parent", {
  input: z.object({ ends: z.enum(["well", "badly", "never"]) }),
  run: async (step, { ends }) => {
    await step.ask("parent", doing("parent"), undoable);
    const { fine } = await step.child(child, { ends });
    return fine;
  },
});

test.each([1, 4])("a child's output is its parent's (%d shards)", async (shards) => {
  const { World } = await import("../support/world.ts");
  const { Relay } = await import("../../src/processors/relay.ts");
  const world = await World.start({ modules: [desk, parent, child], shards });
  const relay = new Relay(world.runtime);
  await relay.start();
  await world.runtime.sagas.start("parent", "1", { ends: "well" });
  await world.clock.advance("1m");
  expect(await statusOf(world, "parent", "1")).toMatchObject({ status: "completed", output: true });
  expect(await statusOf(world, "child", "parent:1:child")).toMatchObject({ status: "completed" });
  await relay.stop();
});

// Would catch a step that fails because the child of another instance has its key.
test("each instance, run and step has a child of its own, whatever they are called", async () => {
  const kid = saga("kid", { input: Nothing, run: () => Promise.resolve("done") });
  const naming = saga("naming", {
    input: z.object({ name: z.string(), runs: z.int() }),
    run: async (step, { name, runs }) => {
      await step.child(kid, {}, { name });
      if (runs > 1) step.continueAsNew({ name, runs: runs - 1 });
    },
  });
  const world = await startWorld(naming, kid);
  const ways: [id: string, name: string, runs: number][] = [
    ["b", "c:d", 1],
    ["b:c", "d", 1],
    ["k", "kid", 3],
    ["k~1", "kid", 3],
    ["k~1~1", "kid", 1],
  ];
  for (const [id, name, runs] of ways) {
    await world.runtime.sagas.start("naming", id, { name, runs });
    await world.settle();
    expect(await statusOf(world, "naming", id)).toMatchObject({ status: "completed" });
  }
  const started = (await world.events()).filter(({ actor, type }) =>
    actor.startsWith("kid/") && type === "Started"
  );
  expect(started).toHaveLength(1 + 1 + 3 + 3 + 1);
});

test("a child that fails has undone its own, and then its parent undoes its", async () => {
  const world = await startWorld(parent, child);
  await world.runtime.sagas.start("parent", "1", { ends: "badly" });
  await world.settle();
  expect(await statusOf(world, "parent", "1")).toMatchObject({
    status: "failed",
    error: { code: "run-failed", message: "Error: badly" },
  });
  expect(await done(world)).toBe("parent child -child -parent");
});

test("a parent that is cancelled cancels its child, and waits for it before it undoes anything", async () => {
  const world = await startWorld(parent, child);
  await world.runtime.sagas.start("parent", "1", { ends: "never" });
  await world.settle();
  await world.runtime.sagas.cancel("parent", "1");
  await world.settle();
  expect((await statusOf(world, "parent", "1")).status).toBe("cancelled");
  expect((await statusOf(world, "child", "parent:1:child")).status).toBe("cancelled");
  expect(await done(world)).toBe("parent child -child -parent");
});

test("a saga without an end is continued as new: its journal starts again, signals are kept", async () => {
  const ticker = saga("ticker", {
    input: z.object({ count: z.int() }),
    run: async (step, { count }) => {
      await step.ask("tick", doing(`${count}`), undoable);
      await step.sleep("1h");
      if (count < 3) step.continueAsNew({ count: count + 1 });
      return (await step.waitFor("stop", z.string())) + count;
    },
  });
  const world = await startWorld(ticker);
  await world.runtime.sagas.start("ticker", "1", { count: 1 });
  await world.runtime.sagas.signal("ticker", "1", "stop", "ok");
  await world.clock.advance("90m");
  expect(await statusOf(world, "ticker", "1")).toMatchObject({
    status: "running",
    input: { count: 2 },
    continued: 1,
    steps: [{ name: "tick" }, { name: "sleep" }],
    signals: [{ name: "stop" }],
  });
  await world.restart();
  await world.clock.advance("90m");
  expect(await statusOf(world, "ticker", "1")).toMatchObject({
    status: "completed",
    output: "ok3",
    continued: 2,
  });
  expect(await done(world)).toBe("1 2 3");
});

test("an activity is performed for a key, and its output is the step's", async () => {
  const payments = new Payments();
  const paying = saga("paying", {
    input: Nothing,
    run: async (step) => {
      const { charge } = await step.perform("pay", payments.charge, { amount: 5, card: "ok" }, {
        key: "tenant-1",
      });
      const error = await step.perform("decline", payments.charge, { amount: 5, card: "declines" })
        .catch((thrown) => thrown);
      return { charge, error: error instanceof StepError ? error.message : "none" };
    },
  });
  const world = await startWorld(payments.charge, paying);
  await world.runtime.sagas.start("paying", "1", {});
  await world.settle();
  expect(await statusOf(world, "paying", "1")).toMatchObject({
    status: "completed",
    output: { charge: [...payments.charges.keys()][0], error: "FinalError: declined" },
    steps: [{ to: "activity:charge-card/tenant-1" }, { status: "failed" }],
  });
});

test("ended() waits for the end; list() shows who is where", async () => {
  const world = await startWorld(followUp);
  const { sagas } = world.runtime;
  for (const id of ["a", "b", "c"]) await sagas.start("follow-up", id, {});
  const waiting = sagas.ended("follow-up", "b", 60_000);
  const tooShort = sagas.ended("follow-up", "c", 10_000);
  await world.clock.advance("20s");
  expect((await tooShort)?.status).toBe("running");
  await sagas.signal("follow-up", "b", "replied", { text: "x" });
  expect(await waiting).toMatchObject({ status: "completed", output: "x" });
  await sagas.cancel("follow-up", "c");
  expect(await sagas.list("follow-up", { limit: 2 })).toMatchObject({
    sagas: [{ id: "a", status: "running" }, { id: "b", status: "completed" }],
    next: "b",
  });
  expect(await sagas.list("follow-up", { limit: 2, after: "b" })).toMatchObject({
    sagas: [{ id: "c", status: "cancelled" }],
  });
  expect((await sagas.list("follow-up", { limit: 9, status: "running" })).sagas).toMatchObject([{ id: "a" }]);
  expect(await sagas.status("follow-up", "z")).toBeUndefined();
  await expect(sagas.status("nothing", "z")).rejects.toMatchObject({ code: "unknown-saga" });
});

test("nobody outside tells a saga what became of its steps", async () => {
  const world = await startWorld(followUp);
  await world.runtime.sagas.start("follow-up", "1", {});
  const told = { type: "follow-up", key: "1", command: "$due", input: { step: 0, run: 0 } };
  await expect(world.runtime.ask(told)).rejects.toMatchObject({ code: "unknown-command" });
  expect(await journalOf(world, "follow-up/1")).toEqual(["Started", "StepStarted"]);
});
