import { expect, test } from "vitest";
import { z } from "zod";
import { activity, actor, command } from "../../src/mod.ts";
import { World } from "../support/world.ts";

const HOUR_MS = 3_600_000;

const call = activity("call", {
  input: z.object({}),
  output: z.object({}),
  retry: { delayMs: 10_000, jitter: 0, attemptsMax: 3 },
  timeout: "20s",
  run: (_, { attempt }) => {
    if (attempt === 1) return Promise.reject(new Error("Busy"));
    return attempt === 2 ? new Promise(() => {}) : Promise.resolve({});
  },
});
const clerk = actor("clerk", {
  initialState: () => ({}),
  events: { Woken: z.object({}), Called: z.object({}) },
  evolve: { Woken: (state) => state, Called: (state) => state },
  commands: {
    wake: command(z.object({ afterMs: z.int() }), (turn, { afterMs }) => {
      const request = { type: "clerk", key: turn.key, command: "woken", input: {} };
      turn.schedule("wake", { after: `${afterMs}ms` }, request);
    }),
    woken: command(z.unknown(), (turn) => turn.emit("Woken", {})),
    dial: command(z.object({}), (turn) => {
      turn.perform(call, {}, { onDone: "called" });
    }),
    called: command(z.unknown(), (turn) => turn.emit("Called", {})),
  },
});
const ann = clerk.ref("ann");

async function seen(world: World): Promise<string> {
  return (await world.events()).map(({ type }) => type).join();
}

// Would catch waiting for a time that the clock has to come to again: an hour too much.
test("a timer takes twice as long at most where the clock was set back, and comes once, after a restart too", async () => {
  const world = await World.start({ modules: [clerk, call] });
  await world.runtime.ask(ann.wake({ afterMs: 30_000 }));
  world.clock.setOff(-HOUR_MS);
  await world.clock.advance(29_000);
  expect(await seen(world)).toBe("");
  await world.clock.advance(32_000);
  expect(await seen(world)).toBe("Woken");
  await world.restart();
  await world.runtime.ask(ann.wake({ afterMs: 30_000 }));
  await world.clock.advance(61_000);
  expect(await seen(world)).toBe("Woken,Woken");
  await world.runtime.stop();
});

// As after the sleep of a machine whose timers slept, too.
test.each([30_000, 3 * HOUR_MS])(
  "what is due in %i ms comes within a minute where the clock is set forward beyond that",
  async (afterMs) => {
    const world = await World.start({ modules: [clerk, call] });
    await world.runtime.ask(ann.wake({ afterMs }));
    await world.runtime.send(ann.woken({}), { deliverAt: world.runtime.clock.now() + afterMs });
    world.clock.setOff(4 * HOUR_MS);
    await world.clock.advance(60_000);
    expect(await seen(world)).toBe("Woken,Woken");
    await world.clock.advance(5 * HOUR_MS);
    expect(await seen(world)).toBe("Woken,Woken");
    await world.runtime.stop();
  },
);

test.each([-12, -1, 1, 12])(
  "an activity is retried, given up and done in twice the time at most, the clock being set by %i hours",
  async (hours) => {
    const world = await World.start({ modules: [clerk, call] });
    await world.runtime.ask(ann.dial({}));
    world.clock.setOff(hours * HOUR_MS);
    // 10 s to the second attempt, 20 s to its end, 20 s to the third.
    await world.clock.advance(101_000);
    expect(await seen(world)).toBe("Called");
    await world.runtime.stop();
  },
);

// Would catch one that the disk refuses with all that is in its commit, again and again.
test.each(["deliverAt", "expiresAt"])(
  "a %s that is no whole number is refused, and the shard goes on",
  async (name) => {
    const world = await World.start({ modules: [clerk, call] });
    const asked = world.runtime.submit(ann.woken({}), { messageId: "m", [name]: 1.5, waitMs: 0 });
    await expect(asked).rejects.toMatchObject({ code: "malformed" });
    await world.runtime.ask(ann.woken({}));
    expect(await seen(world)).toBe("Woken");
    await world.runtime.stop();
  },
);
