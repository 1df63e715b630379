import { expect, test } from "vitest";
import { runCrashes } from "../../scripts/crash/run.ts";

// Would catch an acknowledgement that leaves before its commit is on disk, a message that is lost or handled
// twice between two lives of the server, a mailbox that comes back in another order, a gap in the log, and a
// live reader that misses or repeats an event; rows of a projection that are no fold over the log, a checkpoint that
// is ahead of it; messages of a reactor that are lost or doubled, timers that ring twice, too early or never, and sagas
// that stop half way; a clock that makes any of it so. `deno task crash` does the same for longer.
test.each([
  { shards: 1, seed: 11, place: "in a folder" },
  { shards: 4, seed: 12, place: "in a folder" },
  { shards: 2, seed: 14, place: "on a libSQL server" },
])(
  "a server killed under load again and again keeps every promise, with $shards shards $place (seed $seed)",
  async ({ shards, seed, place }) => {
    const isRemote = place !== "in a folder";
    const report = await runCrashes({
      rounds: 6,
      seed,
      shards,
      chain: shards > 1,
      isRemote,
      acknowledgedMax: 400,
      killsStarting: false,
      pointShare: 0,
      say: () => {},
    });
    expect(report.violations.all).toEqual([]);
    // Otherwise there was nothing that could have gone wrong.
    expect(report).toMatchObject({ kills: 6 });
    expect(report.acknowledged).toBeGreaterThan(100);
    expect(report.repeated).toBeGreaterThan(10);
    expect(report.forwards).toBeGreaterThan(10);
    expect(report.echoes).toBeGreaterThan(10);
    expect(report.rebuilds).toBeGreaterThan(0);
    expect(report.sagas).toBeGreaterThan(5);
    expect(report.timers).toBeGreaterThan(5);
    expect(report.archived > 0).toBe(!isRemote);
    expect(report.clocksSet).toBeGreaterThan(0);
  },
  120_000,
);
