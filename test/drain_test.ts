import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { activity } from "../src/core/activity.ts";
import { actor } from "../src/core/actor.ts";
import { command } from "../src/core/command.ts";
import { createRuntime } from "../src/create_runtime.ts";
import { drain } from "../src/drain.ts";
import { VirtualClock } from "../src/testing/virtual_clock.ts";

/** A runtime whose only activity runs until it is let go, whatever it is told, and its stopping. */
async function draining(drainMsMax: number) {
  const clock = new VirtualClock();
  const work = Promise.withResolvers<void>();
  let signal: AbortSignal | undefined;
  const slow = activity("slow", {
    ...{ input: z.object({}), output: z.object({}) },
    timeout: "1h",
    run: async (_, context) => {
      signal = context.signal;
      await work.promise;
      return {};
    },
  });
  const asker = actor("asker", {
    initialState: () => ({}),
    events: { Asked: z.object({}) },
    evolve: { Asked: (state) => state },
    commands: { ask: command(z.object({}), (turn) => turn.perform(slow, {})) },
  });
  const runtime = await createRuntime({
    ...{ modules: [asker, slow], data: ":memory:", clock, limits: { drainMsMax }, log: () => {} },
  });
  onTestFinished(() => runtime[Symbol.asyncDispose]().catch(() => {}));
  await runtime.ask(asker.ref("a").ask({}));
  await clock.advance(1);
  if (!signal) throw new Error("The activity does not run");
  let inTime: boolean | undefined;
  const { aborted } = signal;
  expect(aborted).toBe(false);
  void drain(runtime, () => Promise.resolve()).then((ended) => inTime = ended);
  return { clock, finish: work.resolve, isTold: () => signal?.aborted, inTime: () => inTime };
}

test("activities are told to stop after half of drainMsMax, and what goes on after four fifths is given up", async () => {
  const { clock, isTold, inTime } = await draining(1_000);
  await clock.advance(499);
  expect([isTold(), inTime()]).toEqual([false, undefined]);
  await clock.advance(1);
  expect([isTold(), inTime()]).toEqual([true, undefined]);
  await clock.advance(299);
  expect(inTime()).toBeUndefined();
  await clock.advance(1);
  expect(inTime()).toBe(false);
});

test.each([400, 799])(
  "what ends %i ms after the signal is waited for, where drainMsMax is 1 s",
  async (afterMs) => {
    const { clock, finish, inTime } = await draining(1_000);
    await clock.advance(afterMs);
    expect(inTime()).toBeUndefined();
    finish();
    await clock.settle();
    expect(inTime()).toBe(true);
  },
);
