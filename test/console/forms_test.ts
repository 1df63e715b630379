import { expect, test } from "vitest";
import { z } from "zod";
import { differences } from "../../src/console/diff.ts";
import { fieldsOf, formOf, inputOf } from "../../src/console/schema_fields.ts";

test("the input of a form is what its schema takes, and what does not fit stays as it was typed", () => {
  const schema = z.object({
    name: z.string(),
    count: z.int().optional(),
    isOn: z.boolean(),
    kind: z.enum(["a", "b"]),
    lines: z.array(z.number()),
  });
  const form = { "in:name": "", "in:count": "", "in:kind": "a", "in:lines": "[1, 2]" };
  expect(inputOf(schema, form)).toEqual({ name: "", isOn: false, kind: "a", lines: [1, 2] });
  expect(inputOf(schema, { ...form, "in:count": "5", "in:isOn": "true" })).toMatchObject({
    count: 5,
    isOn: true,
  });
  expect(inputOf(schema, { ...form, "in:count": "five" })).toMatchObject({ count: "five" });
  expect(() => inputOf(schema, { ...form, "in:lines": "[" })).toThrow(expect.objectContaining({
    code: "invalid-input",
    fields: { issues: [{ path: ["lines"], message: expect.stringMatching(/^is not JSON/) }] },
  }));
  expect(inputOf(z.unknown(), { "json:input": "[1]" })).toEqual([1]);
});

test("an object within the input has fields of its own, and is left out where none is filled in", () => {
  const schema = z.object({
    url: z.string(),
    filters: z.object({ types: z.array(z.string()).optional(), isOn: z.boolean() }).optional(),
    place: z.object({ lat: z.number() }),
    deep: z.object({ a: z.object({ b: z.object({ c: z.number() }) }) }).optional(),
  });
  expect(fieldsOf(schema).map(({ kind }) => kind)).toEqual(["text", "group", "group", "group"]);
  expect(inputOf(schema, { "in:url": "u" })).toEqual({ url: "u", place: {} });
  const form = {
    "in:url": "u",
    "in:filters/types": "a\n\n b \n",
    "in:filters/isOn": "true",
    "in:place/lat": "1.5",
    "in:deep/a/b": `{"c": 1}`,
  };
  const input = {
    ...{ url: "u", filters: { types: ["a", "b"], isOn: true } },
    ...{ place: { lat: 1.5 }, deep: { a: { b: { c: 1 } } } },
  };
  expect(inputOf(schema, form)).toEqual(input);
  expect(inputOf(schema, formOf(fieldsOf(schema), input))).toEqual(input);
  expect(inputOf(schema, { ...form, "in:filters/types": `["a b", "c\\nd"]` })).toMatchObject({
    filters: { types: ["a b", "c\nd"] },
  });
});

test("two values differ where they differ, and nowhere else", () => {
  expect(differences({ a: 1, b: { c: [1, 2] } }, { a: 1, b: { c: [1, 3, 4] }, d: null })).toEqual([
    { path: "b.c.1", before: "2", after: "3" },
    { path: "b.c.2", before: undefined, after: "4" },
    { path: "d", before: undefined, after: "null" },
  ]);
  expect(differences({ a: [1] }, { a: [1] })).toEqual([]);
});
