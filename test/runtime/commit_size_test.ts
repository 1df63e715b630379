import { expect, test } from "vitest";
import { z } from "zod";
import { actor } from "../../src/core/actor.ts";
import { command } from "../../src/core/command.ts";
import { at, World } from "../support/world.ts";

// Would catch commits that take all that has come meanwhile, however large.
test.each([[1_000, [1, 2, 2, 1]], [10_000, [1, 5]]])(
  "a commit takes no more turns once it has %i bytes",
  async (commitBytesMax, eventsOfCommits) => {
    const note = actor("note", {
      initialState: () => ({}),
      events: { Written: z.object({ text: z.string() }) },
      evolve: { Written: (state) => state },
      commands: {
        write: command(z.object({ text: z.string() }), (turn, input) => turn.emit("Written", input)),
      },
    });
    const world = await World.start({ modules: [note], limits: { commitBytesMax } });
    const write = (key: number) => world.runtime.ask(note.ref(`n${key}`).write({ text: "x".repeat(600) }));
    const release = at(world.engines, 0).hang();
    const first = write(0);
    await world.settle();
    const rest = [1, 2, 3, 4, 5].map(write);
    await world.settle();
    release();
    await Promise.all([first, ...rest]);
    expect(at(world.engines, 0).written.map(({ events }) => events.length)).toEqual(eventsOfCommits);
  },
);

// Would catch what is written of a message and was counted by nobody: a thousand of them are a gigabyte.
test.each(["its reply", "the details of its rejection"])("what a message leaves counts: %s", async (what) => {
  const text = "x".repeat(600);
  const box = actor("box", {
    initialState: () => ({}),
    events: { Opened: z.object({}) },
    evolve: { Opened: (state) => state },
    commands: {
      open: command(z.object({}), (turn) => {
        if (what !== "its reply") turn.reject("no", { text });
        return { text };
      }),
    },
  });
  const world = await World.start({ modules: [box], limits: { commitBytesMax: 1_000 } });
  await Promise.all([0, 1, 2, 3, 4, 5].map((key) => world.runtime.state("box", `b${key}`)));
  const open = (key: number) => world.runtime.ask(box.ref(`b${key}`).open({}), { messageId: `m${key}` });
  const release = at(world.engines, 0).hang();
  const first = open(0);
  await world.settle();
  const rest = [1, 2, 3, 4, 5].map(open);
  await world.settle();
  release();
  await Promise.all([first, ...rest]);
  expect(at(world.engines, 0).written.map(({ messages }) => messages.length)).toEqual([1, 2, 2, 1]);
});

test("a message whose attempts go on counts each time that it is written", async () => {
  const stubborn = actor("stubborn", {
    initialState: () => ({}),
    events: { Done: z.object({}) },
    evolve: { Done: (state) => state },
    retry: { jitter: 0, attemptsMax: 3, delayMs: 1_000 },
    commands: {
      do: command(z.object({ text: z.string() }), () => {
        throw new Error("no");
      }),
    },
  });
  const world = await World.start({ modules: [stubborn], limits: { commitBytesMax: 1_500 } });
  for (const key of [0, 1, 2, 3]) {
    await world.runtime.send(stubborn.ref(`s${key}`).do({ text: "x".repeat(600) }));
  }
  await world.settle();
  const engine = at(world.engines, 0);
  const before = engine.written.length;
  const release = engine.hang();
  await world.clock.advance("1s");
  release();
  await world.settle();
  // 600 characters and some for the rest of the row: behind the first one, with two it is full.
  expect(engine.written.slice(before).map(({ messages }) => messages.length)).toEqual([1, 2, 1]);
});
