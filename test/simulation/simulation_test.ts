import { expect, test } from "vitest";
import { z } from "zod";
import { activity, actor, command, saga } from "../../src/mod.ts";
import {
  DiskPool,
  simulate,
  SimulatedCrash,
  type Simulation,
  type SimulationOptions,
} from "../../src/testing/mod.ts";

const call = activity("call", {
  input: z.object({ number: z.string() }),
  output: z.object({ answered: z.boolean() }),
  retry: { delayMs: 1_000, jitter: 0, attemptsMax: 3 },
  run: () => Promise.resolve({ answered: true }),
});
const phone = actor("phone", {
  initialState: () => ({ calls: 0, failed: 0, rung: 0 }),
  events: { Called: z.object({}), Failed: z.object({}), Rang: z.object({}) },
  evolve: {
    Called: (state) => ({ ...state, calls: state.calls + 1 }),
    Failed: (state) => ({ ...state, failed: state.failed + 1 }),
    Rang: (state) => ({ ...state, rung: state.rung + 1 }),
  },
  commands: {
    dial: command(z.object({ number: z.string() }), (turn, input) => {
      turn.perform(call, input, { onDone: "called", onFailed: "failed" });
    }),
    called: command(z.unknown(), (turn) => turn.emit("Called", {})),
    failed: command(z.unknown(), (turn) => turn.emit("Failed", {})),
    wake: command(z.object({}), (turn) => {
      turn.schedule("wake", { after: "24h" }, { type: "phone", key: turn.key, command: "ring", input: {} });
    }),
    ring: command(z.object({}), (turn) => turn.emit("Rang", {})),
  },
});
const home = phone.ref("home");

test("a day passes in no time, with a crash in the middle", async () => {
  const sim = await simulate([phone, call], { seed: 1, shards: 2 });
  await sim.ask(home.wake({}));
  await sim.advance("12h");
  await sim.crash();
  expect(sim.crashes).toBe(1);
  await sim.advance("12h");
  expect(await sim.state(phone, "home")).toEqual({ state: { calls: 0, failed: 0, rung: 1 }, version: 1 });
  expect((await sim.events()).map(({ type }) => type)).toEqual(["Rang"]);
  await sim.stop();
});

test("a state is read by a ref, of an actor or a saga, and by nothing else", async () => {
  const nap = saga("nap", { input: z.object({}), run: (step) => step.sleep("nap", "1h") });
  const sim = await simulate([phone, call, nap], { seed: 1, shards: 2 });
  await sim.ask(home.ring({}));
  await sim.ask(nap.ref("n").start({}));
  expect(await sim.state(home)).toEqual(await sim.state(phone, "home"));
  expect(await sim.state(home)).toMatchObject({ state: { rung: 1 }, version: 1 });
  expect((await sim.state(nap.ref("n"))).state).toMatchObject({ status: "running" });
  await expect(sim.state(phone)).rejects.toThrow("it must be a ref");
  await sim.stop();
});

test("an activity fails as often as it is told to", async () => {
  const sim = await simulate([phone, call], { seed: 1 });
  sim.fail(call, 2);
  await sim.ask(home.dial({ number: "1" }));
  await sim.advance("1m");
  expect((await sim.state(phone, "home")).state).toMatchObject({ calls: 1, failed: 0 });
  sim.fail(call, 3);
  await sim.ask(home.dial({ number: "2" }));
  await sim.advance("1m");
  expect((await sim.state(phone, "home")).state).toMatchObject({ calls: 1, failed: 1 });
  await sim.stop();
});

test("who waits when the process dies is told so, and what was done is there afterwards", async () => {
  const sim = await simulate([phone, call], { seed: 1, faults: { diskMsMax: 20 } });
  const asked = sim.begin((runtime) => runtime.ask(home.ring({}), { messageId: "m" }));
  const told = expect(asked).rejects.toBeInstanceOf(SimulatedCrash);
  await sim.crash();
  await told;
  await sim.ask(home.ring({}), { messageId: "m" });
  expect((await sim.state(phone, "home")).version).toBe(1);
  await sim.stop();
});

test("what never comes is said, and not waited for", async () => {
  const sim = await simulate([phone, call], { seed: 1 });
  await expect(sim.until(new Promise(() => {}))).rejects.toThrow(/has not come/);
  await sim.stop();
});

const parcel = actor("parcel", {
  initialState: () => ({ stops: 0, isDelivered: false }),
  events: { Moved: z.object({}), Delivered: z.object({}) },
  evolve: {
    Moved: (state) => ({ stops: state.stops + 1, isDelivered: false }),
    Delivered: (state) => ({ ...state, isDelivered: true }),
  },
  commands: {
    move: command(z.object({}), (turn) => {
      turn.emit("Moved", {});
      return turn.state;
    }),
    deliver: command(z.object({}), (turn) => turn.emit("Delivered", {})),
  },
  archive: { closedBy: ["Delivered"], after: "1d" },
});

/** Versions of parcels' events in the shard's own table, and in its archive. */
async function places(sim: Simulation) {
  const versions = async (table: string) =>
    (await sim.rows(0, `SELECT version FROM ${table} WHERE actor = 'parcel/p' ORDER BY version`)).flat();
  return { own: await versions("main.events"), archived: await versions("archive.events") };
}

test("an actor that is closed is archived in its time, by the process that runs, and read as before", async () => {
  const sim = await simulate([parcel, phone, call], { seed: 1 });
  const p = parcel.ref("p");
  await sim.ask(p.move({}));
  await sim.ask(p.deliver({}));
  await sim.ask(home.ring({}));
  const before = await sim.events();
  await sim.advance("23h");
  expect(await places(sim)).toEqual({ own: [1, 2], archived: [] });
  await sim.advance("2h");
  expect(await places(sim)).toEqual({ own: [], archived: [1, 2] });
  await sim.crash();
  expect(await sim.events()).toEqual(before);
  expect(await sim.state(parcel, "p")).toEqual({ state: { stops: 1, isDelivered: true }, version: 2 });
  expect(await sim.ask(p.move({}))).toMatchObject({ ok: true, version: 3, reply: { stops: 2 } });
  await sim.takeOver();
  await sim.advance("48h");
  expect(await places(sim)).toEqual({ own: [3], archived: [1, 2] });
  await sim.stop();
});

test("modules that come with an archive find the events of before, and other ones what was archived", async () => {
  const { archive: _, ...kept } = parcel;
  const sim = await simulate([kept, phone, call], { seed: 1 });
  await sim.ask(parcel.ref("p").deliver({}));
  await sim.ask(home.ring({}));
  await sim.advance("48h");
  await sim.crash([parcel, phone, call]);
  await sim.advance("1h");
  expect(await places(sim)).toEqual({ own: [], archived: [1] });
  await sim.crash([kept, phone, call]);
  expect(await sim.state(parcel, "p")).toMatchObject({ version: 1 });
  await sim.stop();
});

// Would catch a seed that cannot be run again by itself: one that fails behind others, and not alone.
test.each([[[parcel, phone, call]], [[phone, call]]])(
  "a seed gives the same on disks that were used before, whatever goes wrong",
  async (modules) => {
    const disks = new DiskPool();
    const run = async (options: Partial<SimulationOptions>) => {
      const faults = { lost: 0.2, crash: 0.1, unanswered: 0.1, diskMsMax: 20 };
      const sim = await simulate(modules, { seed: 5, shards: 2, faults, ...options });
      const ring = () => sim.until(sim.begin((runtime) => runtime.send(home.ring({}))).catch(() => {}));
      for (let n = 0; n < 20; n++) {
        await ring();
        // A shard that has lost a commit takes nothing until it has looked what there is.
        await sim.advance("1s");
      }
      sim.calm();
      await sim.advance("1m");
      const seen = { events: await sim.events(), faults: sim.faults, crashes: sim.crashes };
      await sim.stop();
      return seen;
    };
    const alone = await run({});
    expect(Object.keys(alone.faults).length).toBeGreaterThan(2);
    expect(await run({ disks })).toEqual(alone);
    expect(await run({ disks, seed: 6 })).not.toEqual(alone);
    expect(await run({ disks })).toEqual(alone);
  },
);

// Would catch a simulation that starts processes without end, in real time, because each dies before it has started.
test.each(["crash", "late", "lost"] as const)(
  "where every write ends in %s, no process can start",
  async (kind) => {
    await expect(simulate([phone, call], { seed: 1, faults: { [kind]: 1 } })).rejects.toThrow(
      /^No process can start: .*as planned$/,
    );
  },
);

// Would catch a simulation that starts processes without end, on a store that none can use.
test("a store that lacks what was archived is refused, and that is said", async () => {
  const sim = await simulate([parcel, phone, call], { seed: 1 });
  await sim.ask(parcel.ref("p").deliver({}));
  await sim.ask(home.ring({}));
  await sim.advance("25h");
  await sim.rows(0, "DELETE FROM archive.events");
  await expect(sim.crash()).rejects.toThrow(/^No process can start: .*parcel\/p.*its archive lacks them$/);
});

test("the trace tells what happened, in time since the beginning, and the same again", async () => {
  const run = async () => {
    const sim = await simulate([phone, call], { seed: 5, faults: { lost: 0.3, crash: 0.2 } });
    sim.note("somebody rings");
    await sim.until(sim.begin((runtime) => runtime.send(home.ring({}))).catch(() => {}));
    await sim.advance("1m");
    sim.calm();
    await sim.crash();
    await sim.stop();
    return { trace: sim.trace, faults: sim.faults };
  };
  const { trace, faults } = await run();
  expect(trace[0]).toBe("0.000 process 1 starts");
  expect(trace).toContainEqual(expect.stringMatching(/^\d+\.\d{3} somebody rings$/));
  expect(trace).toContainEqual(expect.stringMatching(/^6\d\.\d{3} process \d+ ends$/));
  for (const kind of ["lost", "crash-before", "crash-after"]) {
    const told = trace.filter((line) =>
      /^\d+\.\d{3} process \d+, a write to (shard 0|read): /.test(line) && line.endsWith(kind)
    );
    expect(told).toHaveLength(faults[kind] ?? 0);
  }
  expect(Object.keys(faults).length).toBeGreaterThan(1);
  expect((await run()).trace).toEqual(trace);
});

test.each([
  [{ seed: 1.5 }, "A seed cannot be 1.5: only a whole number"],
  [{ seed: NaN }, "A seed cannot be NaN: only a whole number"],
  [{ seed: 1, faults: { lost: -0.1 } }, "Fault lost cannot be -0.1: from 0 to 1"],
  [{ seed: 1, faults: { lost: 1.1 } }, "Fault lost cannot be 1.1: from 0 to 1"],
  [
    { seed: 1, faults: { lots: 0.1 } as object },
    "There is no fault lots: only lost, unanswered, crash, takeover",
  ],
])("a simulation is refused with %j", async (options, why) => {
  await expect(Promise.resolve().then(() => simulate([phone, call], options))).rejects.toThrow(why);
});

test.each([0, 1])("a fault may have the chance %d", async (slow) => {
  const sim = await simulate([phone, call], { seed: -1, faults: { slow } });
  await sim.stop();
});
