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
