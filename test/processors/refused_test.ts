/** What services write and the store refuses: nobody else waits for it. */
import { actor, command, reactor } from "folio";
import { expect, test } from "vitest";
import { z } from "zod";
import { Relay } from "../../src/processors/relay.ts";
import { Followed, listener, source } from "../reactors/support.ts";
import { closedTo, openedFor, POISON, vault } from "../support/poison.ts";
import { at, World } from "../support/world.ts";

// Would catch a shard that is loaded again each second because of what another shard brings it.
test("a message from another shard that is refused stays where it was, and holds back its own actor only", async () => {
  const world = await World.start({ modules: [vault], shards: 2 });
  const relay = new Relay(world.runtime);
  relay.start();
  const keys = Array.from({ length: 50 }, (_, n) => `k${n}`);
  const there = keys.filter((key) => world.runtime.shardOf(`vault/${key}`).number === 1);
  const from = keys.find((key) => world.runtime.shardOf(`vault/${key}`).number === 0) ?? "";
  const [bad, good] = [at(there, 0), at(there, 1)];
  for (const sql of closedTo("messages")) await at(world.databases, 1).look(sql);
  await world.runtime.ask(vault.ref(from).send({ to: bad }));
  await world.clock.advance("1s");
  const before = at(world.engines, 1).attempts;
  await world.clock.advance("10m");
  await world.clock.advance("500ms");
  expect(at(world.engines, 1).attempts - before).toBeLessThanOrEqual(20);
  expect(await world.runtime.ask(vault.ref(good).note({ n: 1 }))).toMatchObject({ version: 1 });
  expect(await world.runtime.ask(vault.ref(bad).note({ n: 2 }))).toMatchObject({ version: 1 });
  expect(await world.outbox()).toMatchObject([{ message: { actor: `vault/${bad}` } }]);
  expect(world.logged.filter((line) => line.includes("which is not admitted")).length).toBeLessThanOrEqual(
    11,
  );
  for (const sql of openedFor("messages")) await at(world.databases, 1).look(sql);
  await world.clock.advance("2m");
  expect(await world.outbox()).toEqual([]);
  expect((await world.runtime.state("vault", bad)).state).toMatchObject({ notes: [2, 0] });
  await relay.stop();
});

// Would catch a message that overtakes the one before it from the same sender, which the store may take later.
test("what is sent behind a message that is refused waits with it, when both come from another shard at once", async () => {
  const world = await World.start({ modules: [vault], shards: 2 });
  const relay = new Relay(world.runtime);
  const keys = Array.from({ length: 50 }, (_, n) => `k${n}`);
  const bad = keys.find((key) => world.runtime.shardOf(`vault/${key}`).number === 1) ?? "";
  const from = keys.find((key) => world.runtime.shardOf(`vault/${key}`).number === 0) ?? "";
  for (const sql of closedTo("messages")) await at(world.databases, 1).look(sql);
  await world.runtime.ask(vault.ref(from).send({ to: bad }));
  await world.runtime.ask(vault.ref(from).send({ to: bad, n: 1, text: "water" }));
  relay.start();
  await world.clock.advance("10m");
  await world.clock.advance("500ms");
  expect((await world.runtime.state("vault", bad)).state).toMatchObject({ notes: [] });
  expect(await world.outbox()).toHaveLength(2);
  for (const sql of openedFor("messages")) await at(world.databases, 1).look(sql);
  await world.clock.advance("2m");
  expect((await world.runtime.state("vault", bad)).state).toMatchObject({ notes: [0, 1] });
  await relay.stop();
});

const taster = actor("taster", {
  initialState: () => ({ tasted: [] as string[] }),
  events: { Tasted: z.object({ text: z.string() }) },
  evolve: { Tasted: (state, { text }) => ({ tasted: [...state.tasted, text.slice(0, 5)] }) },
  commands: {
    taste: command(z.object({ text: z.string() }), (turn, input) => {
      turn.emit("Tasted", { text: input.text === POISON ? "bad" : input.text });
    }),
  },
});

const pour = reactor("pour", {
  from: [source],
  startFrom: "beginning",
  on: {
    "source/Said": (react, { payload: { n } }) => {
      react.send(taster.ref("all").taste({ text: n === 3 ? POISON : `n${n}` }));
    },
  },
});

test("a reactor stops at the event whose answer is refused, as at one whose handler throws; before it all is sent", async () => {
  const followed = await Followed.start({ modules: [source, listener, taster, pour] });
  const { world } = followed;
  await followed.stop();
  for (let n = 1; n <= 4; n++) await followed.say("a", n);
  for (const sql of closedTo("messages")) await at(world.databases, 0).look(sql);
  followed.follow();
  await world.clock.advance("1m");
  expect(followed.reactors.list()).toMatchObject([
    {
      name: "pour",
      status: "failed",
      failure: { error: expect.stringContaining("no poison here"), event: { position: 3 } },
    },
  ]);
  expect((await world.runtime.state("taster", "all")).state).toMatchObject({
    tasted: expect.arrayContaining(["n2"]),
  });
  expect(await world.runtime.ask(source.ref("b").say({ n: 9 }))).toMatchObject({ version: 1 });
  const { attempts } = at(world.engines, 0);
  await world.clock.advance("1h");
  expect(at(world.engines, 0).attempts - attempts).toBeLessThan(5);
  await followed.stop();
});
