import fc from "fast-check";
import { expect, test } from "vitest";
import { DURATION_MS_MAX, parseDuration } from "../../src/core/duration.ts";

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
test("a number of more than 15 digits is no duration, one of 15 is", () => {
  expect(parseDuration("9".repeat(16) + "ms")).toBeUndefined();
  expect(parseDuration("9".repeat(15) + "ms")).toBe(999_999_999_999_999);
});

// Would catch a time so far away that it is no whole number any more: no commit could store it.
test("a duration is 50 million days at the most, and what is so far from now is still a time", () => {
  expect(parseDuration("50000000d")).toBe(DURATION_MS_MAX);
  expect(parseDuration("50000001d")).toBeUndefined();
  expect(parseDuration("9".repeat(15) + "d")).toBeUndefined();
  expect(new Date(Date.UTC(9999, 0) + DURATION_MS_MAX).getTime()).toBe(Date.UTC(9999, 0) + DURATION_MS_MAX);
});

test("a larger unit is a multiple of the smaller one", () => {
  fc.assert(fc.property(fc.nat(100_000), (n) => {
    expect(parseDuration(`${n}d`)).toBe(parseDuration(`${n * 24}h`));
    expect(parseDuration(`${n}h`)).toBe(parseDuration(`${n * 60}m`));
    expect(parseDuration(`${n}m`)).toBe(parseDuration(`${n * 60}s`));
    expect(parseDuration(`${n}s`)).toBe(parseDuration(`${n * 1000}ms`));
  }));
});
