/** Reactors let activities be performed, once for each event. */
import { expect, test } from "vitest";
import { z } from "zod";
import { activity, type AnyActivity } from "../../src/core/activity.ts";
import { actor } from "../../src/core/actor.ts";
import { command } from "../../src/core/command.ts";
import { type React, reactor } from "../../src/core/reactor.ts";
import type { SourceEvent } from "../../src/core/subscription.ts";
import { Reactors } from "../../src/processors/reactors.ts";
import { World } from "../support/world.ts";

const source = actor("source", {
  initialState: () => 0,
  events: { Said: z.object({ n: z.int() }) },
  evolve: { Said: (state) => state + 1 },
  commands: {
    say: command(z.object({ n: z.int() }), (turn, input) => turn.emit("Said", { n: input.n })),
  },
});

const noting = (notes: string[]) =>
  activity("note", {
    input: z.object({ n: z.int() }),
    output: z.object({}),
    run: ({ n }, { idempotencyKey }) => {
      notes.push(`${idempotencyKey} ${n}`);
      return Promise.resolve({});
    },
  });

type Note = ReturnType<typeof noting>;

async function begin(answer: (react: React, event: SourceEvent<{ n: number }>, note: Note) => void) {
  const notes: string[] = [];
  const note = noting(notes);
  const answering = reactor("notes", {
    from: [source],
    startFrom: "beginning",
    on: { "source/Said": (react, event) => answer(react, event, note) },
  });
  const world = await World.start({ modules: [source, note, answering] });
  const reactors = new Reactors(world.runtime);
  reactors.start();
  return { world, notes, reactors, say: (n: number) => world.runtime.ask(source.ref("a").say({ n })) };
}

test("an activity has the id of the reactor, the event and its place, and is performed once", async () => {
  const { world, notes, say, reactors } = await begin((react, { payload, key }, note) => {
    react.perform(note, { n: payload.n }, { key });
    react.perform(note, { n: -payload.n }, { after: "1m" });
  });
  await say(1);
  await say(2);
  await world.settle();
  expect(notes).toEqual(["notes.0.1.0 1", "notes.0.2.0 2"]);
  expect(await world.message("notes.0.1.0")).toMatchObject({ actor: "activity:note/a", status: "done" });
  await world.clock.advance("1m");
  expect(notes.slice(2)).toEqual(["notes.0.1.1 -1", "notes.0.2.1 -2"]);
  await reactors.stop();
  await world.crash();
  const again = new Reactors(world.runtime);
  again.start();
  await world.clock.advance("1h");
  expect(notes).toHaveLength(4);
});

test.each<[string, (react: React, note: AnyActivity) => void, RegExp]>([
  [
    "an input that does not fit",
    (react, note) => react.perform(note, { n: "x" }),
    /does not fit activity note/,
  ],
  ["a key that cannot be used", (react, note) => react.perform(note, { n: 1 }, { key: "" }), /it is empty/],
])("%s stops the reactor at its event", async (_, answer, error) => {
  const { world, notes, say, reactors } = await begin((react, _, note) => answer(react, note));
  await say(1);
  await world.settle();
  expect(reactors.list()).toMatchObject([{
    status: "failed",
    failure: { error: expect.stringMatching(error) },
  }]);
  expect(notes).toEqual([]);
});
