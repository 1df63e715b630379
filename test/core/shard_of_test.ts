import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { shardOf } from "../../src/core/shard_of.ts";

// Would catch any change of the hash: every store made before it would look for its actors in the wrong place.
// The values come from another implementation (FNV-1a over UTF-16 code units, high bits folded in).
test.each([
  ["account/alice", 1, 5, 85],
  ["account/bob", 1, 5, 217],
  ["counter/clicks", 2, 0, 162],
  ["a/1", 3, 5, 3],
  ["a/2", 2, 5, 202],
  ["seat/12-F", 1, 6, 9],
  ["user/ünï", 0, 6, 140],
  ["user/😀", 3, 3, 3],
])("%s stays in the shard it has always been in", (actor, of4, of7, of256) => {
  expect([shardOf(actor, 4), shardOf(actor, 7), shardOf(actor, 256)]).toEqual([of4, of7, of256]);
});

test("a shard is a whole number below the count, for any name", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), fc.integer({ min: 1, max: 256 }), (actor, shards) => {
    const shard = shardOf(actor, shards);
    expect(Number.isInteger(shard)).toBe(true);
    expect(shard).toBeGreaterThanOrEqual(0);
    expect(shard).toBeLessThan(shards);
  }));
});

describe.each([
  ["counted", (n: number) => `account/${n}`],
  ["padded", (n: number) => `order/ord-${String(n).padStart(8, "0")}`],
  ["in base 36", (n: number) => `user/${n.toString(36)}`],
  ["long with one character that differs", (n: number) => `${"x/".repeat(100)}${String.fromCharCode(n)}`],
])("10,000 names, %s", (_, name) => {
  // Would catch the weak low bits of plain FNV, which leave one shard with all the work. A fair spread is within
  // 4 standard deviations of the mean: 2,500 ± 173. (A perfectly even one is as suspicious only for random names.)
  test("spread evenly over 4 shards", () => {
    const counts = [0, 0, 0, 0];
    for (let n = 0; n < 10_000; n++) {
      const shard = shardOf(name(n), 4);
      counts[shard] = (counts[shard] ?? 0) + 1;
    }
    expect(counts).toHaveLength(4);
    expect(Math.min(...counts)).toBeGreaterThan(2_327);
    expect(Math.max(...counts)).toBeLessThan(2_673);
  });
});
