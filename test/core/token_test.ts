import fc from "fast-check";
import { expect, test } from "vitest";
import { FolioError } from "../../src/core/errors.ts";
import { formatToken, parseToken } from "../../src/core/token.ts";

const SHARDS_MAX = 256;

const positions = fc.uniqueArray(
  fc.tuple(fc.nat(SHARDS_MAX - 1), fc.nat({ max: 999_999_999_999_999 })),
  { selector: ([shard]) => shard, maxLength: SHARDS_MAX },
).map((entries) => new Map(entries));

test("a token says the positions it was made of again", () => {
  fc.assert(fc.property(positions, (made) => {
    expect(parseToken(formatToken(made), SHARDS_MAX)).toEqual(made);
  }));
});

test("a token of all shards is read", () => {
  const all = new Map(Array.from({ length: SHARDS_MAX }, (_, shard) => [shard, shard * 7]));
  expect(parseToken(formatToken(all), SHARDS_MAX)).toEqual(all);
});

test("a token goes into a header and a URL as it is", () => {
  fc.assert(fc.property(positions, (made) => {
    expect(formatToken(made)).toMatch(/^[0-9._]*$/);
  }));
});

// Would catch a token of another store, or one made up, being waited for until the request times out.
test.each([
  ["a shard that there is not", "4.1"],
  ["a shard named twice", "0.1_0.2"],
  ["more shards than there are", "0.1_1.1_2.1_3.1_0.1"],
  ["no position", "0"],
  ["an empty position", "0."],
  ["an empty shard", ".1"],
  ["a negative position", "0.-1"],
  ["a fraction", "0.1.5"],
  ["an exponent", "0.1e3"],
  ["a position beyond what a number holds", "0.9999999999999999"],
  ["an empty part", "0.1_"],
  ["another separator", "0.1,1.2"],
  ["white space", " 0.1"],
  ["a line break", "0.1\n"],
  ["digits of another script", "0.٣"],
  ["words", "latest"],
])("%s is malformed", (_, text) => {
  let thrown: unknown;
  try {
    parseToken(text, 4);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(FolioError);
  expect(thrown).toMatchObject({ code: "malformed", fields: { name: "token" } });
});

test("text that is read at all says what it says: nothing of it is dropped", () => {
  const text = fc.string({ unit: fc.constantFrom("0", "1", "2", ".", "_"), maxLength: 12 });
  fc.assert(
    fc.property(text, (token) => {
      let read: Map<number, number>;
      try {
        read = parseToken(token, 3);
      } catch (error) {
        expect(FolioError.is(error, "malformed")).toBe(true);
        return;
      }
      const plain = token.replaceAll(/(^|[._])0+(?=\d)/g, "$1");
      expect(formatToken(read)).toBe(plain);
    }),
    { numRuns: 1_000 },
  );
});
