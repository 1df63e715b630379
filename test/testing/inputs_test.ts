import { fc } from "folio/testing";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { inputsOf } from "../../src/testing/inputs.ts";

const sample = (schema: z.ZodType, count = 300) =>
  fc.sample(inputsOf(schema, "a/b"), { numRuns: count, seed: 1 });

// `inputsOf` holds what it makes against the schema: what is shown here is that it makes something, of all kinds.
describe("values are made for", () => {
  const schemas: Readonly<Record<string, z.ZodType>> = {
    "e-mail addresses": z.email(),
    "ids": z.tuple([z.uuid(), z.ulid(), z.nanoid(), z.cuid2(), z.guid()]),
    "dates and times": z.tuple([z.iso.datetime(), z.iso.date(), z.iso.time(), z.iso.duration()]),
    "URLs and addresses": z.tuple([z.url(), z.ipv4(), z.ipv6(), z.cidrv4(), z.e164()]),
    "base64, hex and emoji": z.tuple([z.base64(), z.hex(), z.emoji()]),
    "trimmed text that begins and is long enough": z.string().trim().min(2).startsWith("ab"),
    "several patterns": z.string().regex(/^a/).regex(/b$/).max(8),
    "a pattern that ignores case": z.record(z.string().regex(/^[a-z]{1,3}$/i), z.int()),
    "whole numbers within bounds": z.int().gt(3).lt(6),
    "multiples": z.tuple([z.number().multipleOf(0.5).min(1).max(3), z.int().multipleOf(7).positive()]),
    "numbers between two": z.number().gt(0.25).lt(0.5),
    "literals and enums": z.tuple([z.literal(["x", 3, null]), z.enum(["a", "b"]), z.boolean()]),
    "unions": z.discriminatedUnion("t", [
      z.object({ t: z.literal("a") }),
      z.object({ t: z.literal("b"), n: z.int() }),
    ]),
    "intersections": z.intersection(
      z.object({ a: z.int() }),
      z.union([z.object({ b: z.int() }), z.object({ c: z.string() })]),
    ),
    "what may be left out": z.object({
      a: z.string().optional(),
      b: z.int().nullable().default(3),
      c: z.never().optional(),
    }),
    "records and tuples": z.tuple([
      z.record(z.enum(["k", "l"]), z.int()),
      z.partialRecord(z.enum(["k", "l"]), z.int()),
      z.array(z.string()).min(2).max(3),
      z.tuple([z.string()]).rest(z.boolean()),
      z.strictObject({ a: z.int() }),
      z.looseObject({ a: z.int() }),
    ]),
    "transforms and coercions": z.tuple([z.string().transform((text) => text.length), z.coerce.number()]),
    "refinements": z.object({ from: z.int(), to: z.int() }).refine(({ from, to }) => from <= to),
    "anything": z.tuple([z.unknown(), z.any()]),
  };

  test.each(Object.keys(schemas))("%s", (name) => {
    const schema = schemas[name] as z.ZodType;
    const values = sample(schema, 100);
    expect(values.filter((value) => !schema.safeParse(value).success)).toEqual([]);
    expect(JSON.parse(JSON.stringify(values))).toEqual(values);
    expect(new Set(values.map((value) => JSON.stringify(value))).size).toBeGreaterThan(1);
  });

  test("schemas that refer to themselves, without end", () => {
    interface Tree {
      name: string;
      children: Tree[];
    }
    const tree: z.ZodType<Tree> = z.object({ name: z.string(), children: z.lazy(() => z.array(tree)) });
    const values = sample(tree) as Tree[];
    expect(values.some(({ children }) => children.some((child) => child.children.length > 0))).toBe(true);
  });
});

test("numbers and texts are small mostly, and reach their bounds", () => {
  const numbers = sample(z.int().min(1).max(1_000_000)) as number[];
  expect(numbers.filter((n) => n <= 11).length).toBeGreaterThan(150);
  expect(numbers).toContain(1);
  expect(numbers).toContain(1_000_000);
  const lengths = new Set((sample(z.string().min(1).max(200)) as string[]).map(({ length }) => length));
  expect([1, 200].filter((length) => !lengths.has(length))).toEqual([]);
});

test("what may be left out is there and not there", () => {
  const values = sample(z.object({ a: z.int().optional() })) as { a?: number }[];
  expect(new Set(values.map((value) => "a" in value))).toEqual(new Set([true, false]));
});

describe("what nothing can be made for is said with its place", () => {
  test("a pattern that looks ahead", () => {
    const schema = z.object({ items: z.array(z.object({ code: z.string().regex(/^(?=.*\d)\w+$/) })) });
    expect(() => inputsOf(schema, "shop/order")).toThrow(
      /^Cannot make inputs of shop\/order at \.items\[\]\.code: its schema has the pattern .*`inputs`$/,
    );
  });

  test("a refinement that hardly anything fits", () => {
    const schema = z.object({ n: z.int().refine((n) => n === 123_456_789_012) });
    expect(() => sample(schema, 1)).toThrow(
      /^Cannot make inputs of a\/b: hardly any value fits its schema; give/,
    );
  });
});
