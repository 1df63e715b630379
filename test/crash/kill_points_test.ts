import { expect, test } from "vitest";
import { killPlaces } from "../../scripts/crash/kill_points.ts";
import { runPoints } from "../../scripts/crash/points.ts";

// Would catch half of a transaction that stays, in any kind of row; a commit that is taken for lost, done again or
// handed on twice because nobody was told that it is on disk; rows of a projection without their checkpoint; a delayed
// command that only the dead knew of. Points are reached by what is written, not by when: it says the same each time.
test(
  "a server that ends at each point of one commit has all of it or nothing, and does it once",
  async () => {
    const report = await runPoints({ seed: 13, shards: 2, chain: true });
    expect(report.violations.all).toEqual([]);
    expect(report.places).toEqual([...killPlaces.map((place) => place.join(" ")), "durable shard"]);
    expect(report.acknowledged).toBeGreaterThan(50);
  },
  120_000,
);
