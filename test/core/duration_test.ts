import fc from "fast-check";
import { expect, test } from "vitest";
import { parseDuration } from "../../src/core/duration.ts";

test.each([
  ["250ms", 250],
  ["30s", 30_000],
  ["15m", 900_000],
  ["24h", 86_400_000],
  ["7d", 604_800_000],
  ["0s", 0],
  ["007s", 7_000],
])("%s is %i ms", (text, expected) => {
  expect(parseDuration(text)).toBe(expected);
});

test.each([
  "",
  "5",
  "s",
  "-5s",
  "+5s",
  "1.5h",
  "1e3s",
  " 5s",
  "5s ",
  "5 s",
  "5s\n",
  "5S",
  "5M",
  "5w",
  "5m5s",
  "٥s",
  "soon",
])(
  "%j is no duration",
  (text) => {
    expect(parseDuration(text)).toBeUndefined();
  },
);

// Would catch a length that overflows into Infinity or loses whole milliseconds without a word.
test("a number of more than 15 digits is no duration, one of 15 is finite", () => {
  expect(parseDuration("9".repeat(16) + "ms")).toBeUndefined();
  expect(parseDuration("9".repeat(15) + "ms")).toBe(999_999_999_999_999);
  expect(Number.isFinite(parseDuration("9".repeat(15) + "d"))).toBe(true);
});

test("a larger unit is a multiple of the smaller one", () => {
  fc.assert(fc.property(fc.nat(100_000), (n) => {
    expect(parseDuration(`${n}d`)).toBe(parseDuration(`${n * 24}h`));
    expect(parseDuration(`${n}h`)).toBe(parseDuration(`${n * 60}m`));
    expect(parseDuration(`${n}m`)).toBe(parseDuration(`${n * 60}s`));
    expect(parseDuration(`${n}s`)).toBe(parseDuration(`${n * 1000}ms`));
  }));
});
