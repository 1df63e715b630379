import { expect, test } from "vitest";
import { z } from "zod";
import { actor, command, createRuntime, projection } from "../src/mod.ts";
import { VirtualClock } from "../src/testing/virtual_clock.ts";

const alarm = actor("alarm", {
  initialState: () => ({}),
  events: { Set: z.object({}) },
  evolve: { Set: (state) => state },
  commands: { set: command(z.object({}), (turn) => turn.emit("Set", {})) },
});

// Would catch a program that tries again and again, with all that it has begun before still at work on closed stores.
test("a runtime that cannot start leaves nothing at work", async () => {
  const broken = projection("broken", {
    version: 1,
    from: [alarm],
    tables: ["CREATE TABLE broken (a TEXT CHECK (nothing(a)))"],
    on: { "alarm/Set": (write) => write("INSERT INTO broken VALUES ('a')") },
    queries: {},
  });
  const clock = new VirtualClock();
  const logged: string[] = [];
  const starting = createRuntime({
    ...{ modules: [alarm, broken], data: ":memory:", clock },
    log: (_, message) => void logged.push(message),
  });
  await expect(starting).rejects.toThrow();
  expect(clock.pending).toBe(0);
  await clock.advance("1h");
  expect(logged).toEqual([]);
});
