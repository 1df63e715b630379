/** Queries that never end, beside everything else. */
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { systemClock } from "../../src/core/clock.ts";
import { projection, query } from "../../src/core/projection.ts";
import { createRuntime } from "../../src/create_runtime.ts";
import { temporaryFolder } from "../store/databases.ts";
import { ledger } from "../support/actors.ts";
import { watch } from "../support/world.ts";

/**
 * A projection with a query that never ends, in a folder, where its thread is a real one. How long a query may take
 * is not a matter of time: it is over when the test says so.
 */
async function endless() {
  const numbers = projection("numbers", {
    version: 1,
    from: [ledger],
    tables: [`CREATE TABLE numbers (n INTEGER)`],
    on: { "ledger/Added": (write, event) => write(`INSERT INTO numbers VALUES (?)`, [event.payload.n]) },
    queries: {
      "for-ever": query(z.object({}), z.object({ n: z.int() }), () => [
        `WITH RECURSIVE x (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x) SELECT n FROM x WHERE n < 3 OR n < 0`,
      ]),
      "all": query(z.object({}), z.object({ n: z.int() }), () => [`SELECT n FROM numbers ORDER BY n`]),
    },
  });
  const queryMsMax = 5_432_100; // no other time is
  let late: (() => void)[] = [];
  const runtime = await createRuntime({
    modules: [ledger, numbers],
    data: temporaryFolder(),
    limits: { queryMsMax },
    clock: {
      ...systemClock,
      after(delayMs, callback) {
        if (delayMs !== queryMsMax) return systemClock.after(delayMs, callback);
        late.push(callback);
        return () => late = late.filter((other) => other !== callback);
      },
    },
  });
  onTestFinished(() => runtime[Symbol.asyncDispose]());
  let commands = 0;
  return {
    add: () => runtime.ask(ledger.ref("l1").add({ n: ++commands })),
    /** Asks for all rows, once they reflect a token. */
    count: async (token: string) => {
      const options = { atLeast: runtime.parseToken(token), waitMs: 60_000 };
      return (await runtime.projections.query("numbers", "all", {}, options)).rows.length;
    },
    /** So many queries that never end. */
    begin: (count: number) =>
      Array.from(
        { length: count },
        () => watch(runtime.projections.query("numbers", "for-ever", {}, { waitMs: 0 })),
      ),
    /** Their time is up. */
    end: () => {
      for (const callback of late.splice(0)) callback();
    },
  };
}

// Would catch a query that blocks commands, other queries or the projection: what is done beside it would never be.
test("beside a query that runs for ever, commands and other queries are done, until it is stopped", async () => {
  const { add, count, begin, end } = await endless();
  await add();
  const [slow] = begin(1);
  for (let n = 2; n <= 40; n++) expect(await count((await add()).token)).toBe(n);
  expect(slow?.state).toBe("waiting");
  end();
  expect(await count((await add()).token)).toBe(41);
  expect(slow).toMatchObject({ state: "rejected", error: { code: "query-too-slow" } });
});

// Would catch a stop that leaves the connection to the query: then no others would ever have their turn.
test("beside more of them than run at a time, commands are done, and once they are stopped so are queries", async () => {
  const { add, count, begin, end } = await endless();
  await add();
  const slow = begin(6);
  for (let n = 2; n <= 40; n++) await add();
  expect(slow.map(({ state }) => state)).toEqual(Array(6).fill("waiting"));
  end();
  expect(await Promise.all(Array.from({ length: 8 }, async () => await count((await add()).token))))
    .toHaveLength(8);
  for (const one of slow) expect(one).toMatchObject({ state: "rejected", error: { code: "query-too-slow" } });
});
