import { describe, expect, test } from "vitest";
import { exam } from "../../scripts/simulate/exam.ts";

/** Seeds that break a promise where a bug is there that Folio once had, or that is planted. */
const regressions = [
  2, // answers before the disk
  4, // positions with a gap, or memory that is kept, after a lost commit; outbox rows that go before they have arrived
  9, // replies that are not stored
  128, // a reactor's sends and its checkpoint in two commits
  14, // events that are deleted before they are archived
  49, // events that are archived and deleted in one transaction over two files
  56, // the newest event archived, and its position given again
  182, // copies in an archive that are seen before their time
  363154583, // a repeated message for which there was no room ended the simulation
  262, // a commit that was lost while its shard still started: positions with a gap
];

// So many that CI spends about a minute of one core on them.
const fixed = Array.from({ length: 150 }, (_, index) => 100 + index);
// Others in each run; a failing one is named by its test.
const fresh = Array.from({ length: 150 }, (_, index) => Date.now() % 1_000_000_000 + index);

describe.each([["kept", regressions], ["fixed", fixed], ["fresh", fresh]])("%s seeds", (_, seeds) => {
  test.each(seeds)("nothing that is promised is broken: deno task simulate --seed %i", async (seed) => {
    expect((await exam({ seed })).violations).toEqual([]);
  });
});

test("the same seed gives the same log, another one another", async () => {
  const [first, again, other] = [
    await exam({ seed: 42 }),
    await exam({ seed: 42 }),
    await exam({ seed: 43 }),
  ];
  expect(again.trace).toBe(first.trace);
  expect(other.trace).not.toBe(first.trace);
});

// Would catch faults that never come, archives that are never used and mailboxes that are never full, and so
// promises that are kept by chance.
test("seeds bring every kind of fault, archive, and fill mailboxes", async () => {
  const kinds = new Set<string>();
  let [archived, refused] = [0, 0];
  for (let seed = 200; seed < 270; seed++) {
    const result = await exam({ seed });
    for (const kind of Object.keys(result.faults)) kinds.add(kind);
    archived += result.archived;
    refused += result.refused;
  }
  expect([...kinds].sort()).toEqual([
    ...["clock", "crash-after", "crash-before", "fails", "hangs", "late", "lost", "pause-after"],
    ...["pause-before", "refused", "repeated", "slow", "unanswered"],
  ]);
  expect(archived).toBeGreaterThan(20);
  expect(refused).toBeGreaterThan(0);
});
