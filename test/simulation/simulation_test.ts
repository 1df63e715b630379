import { expect, test } from "vitest";
import { z } from "zod";
import { activity, actor, command } from "../../src/mod.ts";
import { simulate, SimulatedCrash } from "../../src/testing/mod.ts";

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
