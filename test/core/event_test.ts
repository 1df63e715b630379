import fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import { event, eventDefinition, upcast } from "../../src/core/event.ts";

/** Amounts were once bare numbers, then whole cents, and now have a currency. */
const Deposited = event(z.object({ cents: z.int(), currency: z.string() }), {
  from: {
    1: (old: number) => ({ cents: Math.round(old * 100) }),
    2: (old: { cents: number }) => ({ ...old, currency: "EUR" }),
  },
});

test("new events are written with one version more than the newest upcast, or 1", () => {
  expect(Deposited.schemaVersion).toBe(3);
  expect(event(z.object({}), { from: {} }).schemaVersion).toBe(1);
  const schema = z.object({ a: z.string() });
  expect(eventDefinition(schema)).toEqual({ schema, schemaVersion: 1, from: {} });
  expect(eventDefinition(Deposited)).toBe(Deposited);
});

test("an event of any earlier version goes through every upcast from there on", () => {
  expect(upcast(Deposited, 1, 12.34)).toEqual({ cents: 1234, currency: "EUR" });
  expect(upcast(Deposited, 2, { cents: 5 })).toEqual({ cents: 5, currency: "EUR" });
});

test("upcasts run in order, each once, whatever the number of versions", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 12 }), fc.nat(), (versions, start) => {
    const steps = Array.from({ length: versions }, (_, index) => index + 1);
    const from = Object.fromEntries(steps.map((step) => [step, (old: number[]) => [...old, step]]));
    const definition = event(z.array(z.int()), { from });
    const first = 1 + start % versions;
    expect(upcast(definition, first, [])).toEqual(steps.slice(first - 1));
  }));
});

// Parsing what the present code wrote costs time for every event of every load, and can only take data away.
test("an event of the present version is given as it is, not parsed", () => {
  const payload = { cents: 1, currency: "EUR", more: true };
  expect(upcast(Deposited, 3, payload)).toBe(payload);
});

test("what an upcast makes is parsed: defaults are filled in, what the schema lacks is left out", () => {
  const definition = event(z.object({ a: z.string(), b: z.int().default(7) }), {
    from: { 1: (old: object) => old },
  });
  expect(upcast(definition, 1, { a: "x", gone: 1 })).toEqual({ a: "x", b: 7 });
});

// Would catch a wrong upcast reaching `evolve` as a state that no schema has ever allowed.
test("an upcast that makes what the schema refuses is an error", () => {
  const definition = event(z.object({ amount: z.int() }), { from: { 1: () => ({ amount: "12" }) } });
  expect(() => upcast(definition, 1, {})).toThrow(z.ZodError);
});

// Would catch an older program reading, after a rollback, what a newer one wrote, and misunderstanding it.
test("an event newer than the code is refused", () => {
  expect(() => upcast(Deposited, 4, {})).toThrow("schema version 4: this code knows up to 3");
  expect(() => upcast(eventDefinition(z.object({})), 2, {})).toThrow("this code knows up to 1");
});

test("an event of a version that no upcast starts from is refused", () => {
  expect(() => upcast(Deposited, 0, {})).toThrow("schema version 0: there is no upcast from it");
});

test.each([
  ["the first", { 2: () => ({}) }],
  ["one in the middle", { 1: () => ({}), 3: () => ({}) }],
  ["all but version 0", { 0: () => ({}) }],
  ["whole numbers", { 1.5: () => ({}) }],
])("a history that lacks %s is refused", (_, from) => {
  expect(() => event(z.object({}), { from })).toThrow(TypeError);
  expect(() => event(z.object({}), { from })).toThrow("upcasts must run from 1 without gaps");
});

test("ten upcasts and more are in the order of numbers, not of text", () => {
  const from = Object.fromEntries(Array.from({ length: 11 }, (_, index) => [11 - index, () => ({})]));
  expect(event(z.object({}), { from }).schemaVersion).toBe(12);
});
