import { expect, test } from "vitest";
import { startChild } from "../../scripts/support/child.ts";

const ROUNDS = 3;
/** In a round: twenty of each kind. */
const REQUESTS = 280;

// Would catch one object that is kept for each request of some kind: a listener, a timer, an entry of a map.
test("a steady mixed load leaves no objects behind, however many requests there were", async () => {
  const child = startChild("test/load/live_objects.ts", { args: [ROUNDS, REQUESTS].map(String) });
  const line = await child.lineWith("counts");
  expect(await child.ended).toMatchObject({ success: true });
  const counts = (line?.counts ?? []) as number[];
  expect(counts).toHaveLength(ROUNDS + 1);
  const [first = NaN, last = NaN, leaking = NaN] = [0, ROUNDS - 1, ROUNDS].map((round) => counts[round]);
  expect(last - first).toBeLessThan(30);
  expect(leaking - last).toBeGreaterThanOrEqual(REQUESTS);
  expect(line?.statuses).toEqual([200, 202, 400, 404, 409]);
  expect(line?.pending).toBeLessThan(20);
}, 120_000);
