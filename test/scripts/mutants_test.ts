import { describe, expect, test } from "vitest";
import { mutants } from "../../scripts/mutants/list.ts";
import { MisfitError, mutated, replaceOnce } from "../../scripts/mutants/mutant.ts";

const edit = (from: string, to: string) => ({ file: "a.ts", from, to });

describe("replaceOnce", () => {
  test("replaces the one occurrence, and takes neither text for a pattern", () => {
    expect(replaceOnce("if (a.b) c();", edit("(a.b)", "($&)"))).toBe("if ($&) c();");
  });

  test.each([
    ["none", "let a;", "let b", 'a.ts has no text "let b"'],
    ["two", "a; a;", "a;", 'a.ts has the text "a;" more than once'],
    ["two that overlap", "aaa", "aa", "more than once"],
    ["no text to look for", "a", "", "has no text"],
  ])("refuses %s", (_, text, from, message) => {
    expect(() => replaceOnce(text, edit(from, "x"))).toThrow(MisfitError);
    expect(() => replaceOnce(text, edit(from, "x"))).toThrow(message);
  });
});

describe("mutated", () => {
  const read = (file: string) => `${file}: one two`;

  test("several edits of one file come together, and other files are read by themselves", () => {
    const files = mutated([edit("one", "1"), edit("two", "2"), { ...edit("one", "I"), file: "b.ts" }], read);
    expect([...files]).toEqual([["a.ts", "a.ts: 1 2"], ["b.ts", "b.ts: I two"]]);
  });

  test("refuses a mutant that changes nothing", () => {
    expect(() => mutated([edit("one", "one")], read)).toThrow(MisfitError);
  });
});

test("each mutant has a name of its own, and something that is to catch it", () => {
  expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
  expect(mutants.filter(({ catches, edits }) => catches.length === 0 || edits.length === 0)).toEqual([]);
});
