import { expect, test } from "vitest";
import { z } from "zod";
import { actor, command } from "../../src/mod.ts";
import type { Statement } from "../../src/store/database.ts";
import { at, World } from "../support/world.ts";

const scroll = actor("scroll", {
  initialState: () => ({ count: 0, chars: 0 }),
  events: { Written: z.object({ text: z.string() }) },
  evolve: { Written: (state, { text }) => ({ count: state.count + 1, chars: state.chars + text.length }) },
  snapshot: { every: 1_000_000 },
  commands: {
    write: command(
      z.object({ chars: z.int() }),
      (turn, { chars }) => turn.emit("Written", { text: "x".repeat(chars) }),
    ),
  },
});

/** Actors that each statement asks for, where it asks for streams. */
function actorsAskedFor({ sql, args = [] }: Statement): number[] {
  if (!sql.includes("events")) return [];
  if (sql.includes("actor = ?1")) return [1];
  return sql.includes("json_each(?1)") ? [JSON.parse(String(args[0])).length] : [];
}

// Would catch each page of a long load going through all events of all actors that are being loaded.
test("the more reads a load takes, the fewer actors each of them asks for; all are as they were", async () => {
  const world = await World.start({ modules: [scroll], limits: { pageBytesMax: 10_000 } });
  const keys = Array.from({ length: 40 }, (_, n) => `s${n}`);
  const sizes = (n: number) => n % 10 === 0 ? Array.from({ length: 12 }, () => 4_000) : [1, 900, 2];
  for (const [n, key] of keys.entries()) {
    for (const chars of sizes(n)) await world.runtime.ask(scroll.ref(key).write({ chars }));
  }
  await world.restart();
  const asked: number[] = [];
  const database = at(world.databases, 0);
  const { execute, batch } = database;
  database.execute = (statement) => {
    asked.push(...actorsAskedFor(statement));
    return execute.call(database, statement);
  };
  database.batch = (statements, mode) => {
    asked.push(...statements.flatMap(actorsAskedFor));
    return batch.call(database, statements, mode);
  };
  const states = await Promise.all(keys.map((key) => world.runtime.state("scroll", key)));
  expect(states.map(({ state }) => state)).toEqual(keys.map((_, n) => ({
    count: sizes(n).length,
    chars: sizes(n).reduce((sum, chars) => sum + chars, 0),
  })));
  expect(asked.length).toBeGreaterThan(20);
  // The first look, and the one that finds its end by sizes.
  expect(asked.filter((count) => count > 20).length).toBeLessThanOrEqual(3);
  expect(asked.filter((count) => count === 1).length).toBeGreaterThan(12);
});
