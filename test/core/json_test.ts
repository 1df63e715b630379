import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalJson, deepFreeze, nestsDeeperThan } from "../../src/core/json.ts";

/** Strings made of what a careless scanner of JSON would trip over. */
const brackets = fc.string({
  unit: fc.constantFrom("[", "]", "{", "}", '"', "\\", ",", ":", "a", "é", "\n"),
});

/** JSON values, deep ones included. */
const json = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "medium" },
    brackets,
    fc.oneof(fc.integer(), fc.boolean(), fc.constant(null)),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(
      fc.oneof(brackets, fc.constantFrom("__proto__", "constructor", "1", "10", "9")),
      tie("value"),
      {
        maxKeys: 4,
      },
    ),
  ),
})).value;

/** The same value with the keys of every object put in the opposite order. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).reverse().map(([key, inner]) => [key, reversed(inner)]));
}

function depthOf(value: unknown): number {
  if (value === null || typeof value !== "object") return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

describe("canonicalJson", () => {
  // Would catch a duplicate of a message being refused as a mismatch because its sender built it differently.
  test("does not depend on the order of keys, at any depth", () => {
    fc.assert(fc.property(json, (value) => {
      expect(canonicalJson(reversed(value))).toBe(canonicalJson(value));
    }));
  });

  test("loses nothing: its text parses to the value again", () => {
    fc.assert(fc.property(json, (value) => {
      expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
    }));
  });

  test("orders the keys of nested objects and leaves arrays as they are", () => {
    expect(canonicalJson({ b: [{ d: 1, c: 2 }, 3, 1], a: null })).toBe('{"a":null,"b":[{"c":2,"d":1},3,1]}');
  });

  // Would catch `object[key] = value`, which sets the prototype and drops the key: two inputs that differ only
  // there would pass for one and the same message.
  test("keeps a key called __proto__", () => {
    const value: unknown = JSON.parse('{"b":1,"__proto__":{"z":1,"a":2}}');
    expect(canonicalJson(value)).toBe('{"__proto__":{"a":2,"z":1},"b":1}');
  });

  test("tells values apart that differ only in type", () => {
    const texts = [1, "1", null, "null", [], {}, [1], { 0: 1 }, false, ""].map(canonicalJson);
    expect(new Set(texts).size).toBe(texts.length);
  });

  test("says null for undefined, as a reply that is not there is stored", () => {
    expect(canonicalJson(undefined)).toBe("null");
    expect(canonicalJson({ a: undefined })).toBe("{}");
  });
});

describe("nestsDeeperThan", () => {
  test("agrees with the depth of the parsed value, whatever strings and white space hold", () => {
    fc.assert(fc.property(json, fc.constantFrom(0, 2), (value, indent) => {
      const text = JSON.stringify(value, null, indent);
      const depth = depthOf(value);
      expect(nestsDeeperThan(text, depth)).toBe(false);
      if (depth > 0) expect(nestsDeeperThan(text, depth - 1)).toBe(true);
    }));
  });

  test.each([
    ['"[[[["', 0, false],
    [String.raw`"\"[[["`, 0, false],
    [String.raw`["\\",[]]`, 1, true],
    [String.raw`["\\\"[[",1]`, 1, false],
    ["[],[],[]", 1, false],
    ['{"a":{"b":[]}}', 2, true],
    ['{"a":{"b":[]}}', 3, false],
  ])("judges %s against %i: %s", (text, depthMax, expected) => {
    expect(nestsDeeperThan(text, depthMax)).toBe(expected);
  });

  // Would catch recursion: a hostile body must not end the process with a stack overflow.
  test("stands a million brackets", () => {
    expect(nestsDeeperThan("[".repeat(1_000_000), 999_999)).toBe(true);
    expect(nestsDeeperThan("[".repeat(1_000_000), 1_000_000)).toBe(false);
  });
});

describe("deepFreeze", () => {
  test("freezes every object and array in a value, and gives the value back", () => {
    fc.assert(fc.property(json, (value) => {
      const isFrozen = (inner: unknown): boolean =>
        inner === null || typeof inner !== "object" ||
        (Object.isFrozen(inner) && Object.values(inner).every(isFrozen));
      expect(deepFreeze(value)).toBe(value);
      expect(isFrozen(value)).toBe(true);
    }));
  });

  // Would catch a handler changing the state in place, which no event records: strict mode makes it throw.
  test("makes writing to a nested part throw", () => {
    const state = deepFreeze({ items: [{ price: 1 }] });
    expect(() => state.items.push({ price: 2 })).toThrow(TypeError);
    expect(() => Object.assign(state.items[0] ?? {}, { price: 2 })).toThrow(TypeError);
    expect(state).toEqual({ items: [{ price: 1 }] });
  });
});
