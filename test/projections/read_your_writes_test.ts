import { expect, test } from "vitest";
import { readYourWrites } from "../../scripts/bench/read_your_writes.ts";

// Would catch a query that runs on rows from before its token, on a connection that lags behind, or that is told of
// a checkpoint before the rows are there. `deno task bench --only q` does the same 10,000 times.
test.each([1, 4])(
  "a query with its token sees each write, under load, in a folder, %i shards",
  async (shards) => {
    const { writes, seen, wrong, lookedFor } = await readYourWrites({ shards, writes: 600 });
    expect(wrong).toEqual([]);
    expect(seen).toBe(writes);
    expect(lookedFor).toBeGreaterThan(10);
  },
  60_000,
);
