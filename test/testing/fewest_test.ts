import fc from "fast-check";
import { expect, test } from "vitest";
import { fewest } from "../../src/testing/fewest.ts";

test("what is left is wanted, and would not be without any one of its items", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.nat(50), { minLength: 1 }), fc.nat(), async (list, chosen) => {
      // Wanted together: some items that need not be next to each other.
      const needed = list.filter((_, index) => (chosen >> index % 8) & 1);
      const isWanted = (fewer: readonly number[]) =>
        Promise.resolve(needed.every((item) => fewer.includes(item)));
      expect(await fewest(list, isWanted)).toEqual(needed);
    }),
  );
});

test("a long list of which one item counts takes few questions", async () => {
  let questions = 0;
  const list = Array.from({ length: 1_000 }, (_, index) => index);
  const isWanted = (fewer: readonly number[]) => Promise.resolve(++questions > 0 && fewer.includes(700));
  expect(await fewest(list, isWanted)).toEqual([700]);
  expect(questions).toBeLessThan(50);
});
