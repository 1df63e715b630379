import fc from "fast-check";
import type { z } from "zod";

const date = fc.date({ min: new Date("0001-01-01"), max: new Date("9999-12-31"), noInvalidDate: true });

/**
 * Formats that a pattern does not tell, or tells in a way that nothing can be made from. Each is made when it is
 * asked for: that of URLs takes a second.
 */
export const formats: Readonly<Record<string, () => fc.Arbitrary<string>>> = {
  "date-time": () => date.map((at) => at.toISOString()),
  "date": () => date.map((at) => at.toISOString().slice(0, 10)),
  "duration": () => fc.tuple(fc.nat(400), fc.nat(23), fc.nat(59)).map(([d, h, m]) => `P${d}DT${h}H${m}M`),
  "uri": () => fc.webUrl(),
  "ipv6": () => fc.ipV6(),
  "emoji": () => fc.constantFrom("🙂", "🎭", "👩‍🚀"),
};

/** Any code point there is, half of a pair apart. Not fast-check's own `binary`, which takes a second to make. */
const character = fc.oneof(fc.nat(0xd7ff), fc.integer({ min: 0xe000, max: 0x10ffff })).map((code) =>
  String.fromCodePoint(code)
);

/** Short ones mostly; now and then of any characters, or as long as they may be. */
export function texts(minLength: number, maxLength: number): fc.Arbitrary<string> {
  const short = { minLength, maxLength: Math.min(maxLength, minLength + 12) };
  const usual = { arbitrary: fc.string(short), weight: 6 };
  const odd = { arbitrary: fc.string({ ...short, unit: character }), weight: 1 };
  if (maxLength > 1_000) return fc.oneof({ withCrossShrink: true }, usual, odd);
  const longest = { arbitrary: fc.string({ minLength: maxLength, maxLength }), weight: 1 };
  return fc.oneof({ withCrossShrink: true }, usual, odd, longest);
}

/** Those close to zero mostly, or to the bound that is closest to it. */
export function numbers(schema: z.core.JSONSchema.JSONSchema): fc.Arbitrary<number> {
  const { multipleOf, minimum = -Infinity, maximum = Infinity } = schema;
  // Booleans only in older drafts of JSON Schema.
  const above = typeof schema.exclusiveMinimum === "number" ? schema.exclusiveMinimum : -Infinity;
  const below = typeof schema.exclusiveMaximum === "number" ? schema.exclusiveMaximum : Infinity;
  const step = multipleOf ?? 1;
  const least = Math.max(minimum, above, Number.MIN_SAFE_INTEGER) / step;
  const most = Math.min(maximum, below, Number.MAX_SAFE_INTEGER) / step;
  const min = Math.ceil(least) * step > above ? Math.ceil(least) : Math.ceil(least) + 1;
  const max = Math.floor(most) * step < below ? Math.floor(most) : Math.floor(most) - 1;
  const close = Math.min(Math.max(0, min), max);
  const wholes = min > max ? [] : [
    { arbitrary: fc.integer({ min: Math.max(min, close - 10), max: Math.min(max, close + 10) }), weight: 4 },
    { arbitrary: fc.integer({ min, max }), weight: 1 },
    { arbitrary: fc.constantFrom(min, max), weight: 1 },
  ].map(({ arbitrary, weight }) => ({ arbitrary: arbitrary.map((n) => n * step), weight }));
  const bounds = {
    min: Math.max(minimum, above, -Number.MAX_VALUE),
    max: Math.min(maximum, below, Number.MAX_VALUE),
    minExcluded: above >= minimum && above > -Infinity,
    maxExcluded: below <= maximum && below < Infinity,
    noNaN: true,
  };
  const isWhole = schema.type === "integer" || multipleOf !== undefined;
  const others = isWhole ? [] : [{ arbitrary: fc.double(bounds), weight: 3 }];
  return fc.oneof({ withCrossShrink: true }, ...wholes, ...others);
}
