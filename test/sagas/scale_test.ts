import { saga } from "folio";
import { expect, test } from "vitest";
import { z } from "zod";
import { desk, doing } from "./desk.ts";
import { statusOf } from "./support.ts";
import { World } from "../support/world.ts";

const STEPS = 2_000;

// Would catch a step that costs a replay, or a turn, of those before it.
test("so many steps are so many turns of one run; after a restart it is replayed once", async () => {
  let runs = 0;
  let asked = 0;
  const long = saga("long", {
    input: z.object({ steps: z.int() }),
    run: async (step, { steps }) => {
      runs++;
      for (let i = 0; i < steps; i++) {
        asked++;
        await step.ask("do", doing("x"));
        if (i === steps / 2) await step.waitFor("go", z.null());
      }
      return runs;
    },
  });
  // The desk's own state must not grow with each step.
  const world = await World.start({
    modules: [{ ...desk, evolve: noGrowth }, long],
  });
  let hops = 0;
  const { soon } = world.clock;
  world.clock.soon = (callback) => {
    hops++;
    soon.call(world.clock, callback);
  };
  await world.runtime.sagas.start("long", "1", { steps: STEPS });
  await world.settle();
  expect(runs).toBe(1);
  expect(asked).toBe(STEPS / 2 + 1);
  expect(hops).toBe(STEPS / 2 + 2);

  await world.restart();
  await world.runtime.sagas.signal("long", "1", "go", null);
  await world.settle();
  expect(runs).toBe(2);
  expect(asked).toBe(STEPS / 2 + 1 + STEPS);
  expect(hops).toBeLessThan(2 * STEPS);
  const { status, output, steps, version } = await statusOf(world, "long", "1");
  expect({ status, output, steps: steps.length }).toEqual({
    status: "completed",
    output: 2,
    steps: STEPS + 1,
  });
  expect(version).toBe(2 * (STEPS + 1) + 3);
});

const noGrowth = new Map([...desk.evolve.keys()].map((event) => [event, (state: unknown) => state]));
